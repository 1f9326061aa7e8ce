-- requires: functions/internal/_enroll_contacts.sql
-- Enrolls contacts that got a tag in the active sequences that say so (enroll_on). The arrays belong together.
-- Locks: the sequences, without waiting for them. Waits half a second at most.
-- Errors: whatever goes wrong; the caller keeps the contacts all the same. A repeat enrolls nobody who is enrolled.
create or replace function drip_core._react_to_tags(organization_id bigint, contact_ids bigint[], tags text[])
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '500ms'
as $$
declare
  v_org constant bigint := _react_to_tags.organization_id;
  v_row record;
begin
  for v_row in
    select q.key, v.enroll_tags
    from drip_core.sequences as q
    join drip_core.sequence_versions as v on v.organization_id = v_org and v.sequence_id = q.id and v.version = q.current_version
    where q.organization_id = v_org and q.status = 'active' and v.enroll_tags && _react_to_tags.tags
    order by q.id
    for key share of q nowait
  loop
    perform drip_core._enroll_contacts(v_org, v_row.key, k.ids, array_fill(null::bigint, array[cardinality(k.ids)]), null, 'tag')
    from (
      select array_agg(distinct u.id) as ids
      from unnest(_react_to_tags.contact_ids, _react_to_tags.tags) as u (id, tag)
      where u.tag = any (v_row.enroll_tags)
    ) as k;
  end loop;
end;
$$;

revoke all on function drip_core._react_to_tags(bigint, bigint[], text[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._react_to_tags(bigint, bigint[], text[]) is 'Enrolls contacts that got a tag in the sequences that say so.';
