-- The id of a sequence by key. Locks: none. Errors: PT404. Harmless to repeat.
create or replace function drip_core._sequence_id(organization_id bigint, sequence_key text)
returns bigint
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_id bigint;
begin
  select s.id
  into v_id
  from drip_core.sequences as s
  where s.organization_id = _sequence_id.organization_id and s.key = _sequence_id.sequence_key;
  if v_id is null then
    raise exception 'sequence not found'
      using errcode = 'PT404', detail = format('sequence_key: %s', coalesce(left(_sequence_id.sequence_key, 100), 'null')),
        hint = 'drip.list_sequences shows the keys there are.';
  end if;
  return v_id;
end;
$$;

revoke all on function drip_core._sequence_id(bigint, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._sequence_id(bigint, text) is 'The id of a sequence by key; PT404 when there is none.';
