-- requires: functions/internal/_require_permission.sql
-- Contacts by id in pages; search looks into names, company, email and external_id. Locks: none. Errors: PT403, PT404, PT422.
-- Harmless to repeat.
create or replace function drip.list_contacts(
  organization_id bigint, search text default null, tag text default null, after bigint default null, "limit" int default 100
)
returns table (
  contact_id bigint, external_id text, email text, phone text, first_name text, last_name text, company text, timezone text,
  tags text[], attributes jsonb, consent jsonb, created_at timestamptz, updated_at timestamptz
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
#variable_conflict use_column
declare
  v_search constant text := '%' || replace(replace(replace(lower(btrim(list_contacts.search)), '\', '\\'), '%', '\%'), '_', '\_') || '%';
begin
  perform drip_core._require_permission(list_contacts.organization_id, 'list_contacts');
  if list_contacts."limit" is null or list_contacts."limit" not between 1 and 10000 then
    raise exception 'invalid limit'
      using errcode = 'PT422', detail = format('limit: %s', coalesce(list_contacts."limit"::text, 'null')), hint = 'Use 1 to 10000.';
  end if;
  if length(list_contacts.search) > 200 then
    raise exception 'invalid search'
      using errcode = 'PT422', detail = 'search: at most 200 characters', hint = 'Pass a part of a name, company, address or external_id.';
  end if;
  return query
  select
    c.id, c.external_id, c.email, c.phone, c.first_name, c.last_name, c.company, c.timezone,
    array(select t.tag from drip_core.contact_tags as t where t.organization_id = c.organization_id and t.contact_id = c.id order by t.tag),
    c.attributes,
    (
      select coalesce(jsonb_object_agg(k.channel, k.state), '{}')
      from (
        select distinct on (l.channel) l.channel, l.state
        from drip_core.consent_ledger as l
        where l.organization_id = c.organization_id and l.contact_id = c.id and l.is_effective
        order by l.channel, l.id desc
      ) as k
    ),
    c.created_at, c.updated_at
  from drip_core.contacts as c
  where c.organization_id = list_contacts.organization_id
    and c.erased_at is null
    and (list_contacts.after is null or c.id > list_contacts.after)
    and (list_contacts.tag is null or exists (
      select from drip_core.contact_tags as t
      where t.organization_id = c.organization_id and t.tag = list_contacts.tag and t.contact_id = c.id
    ))
    and (v_search is null or lower(concat_ws(' ', c.first_name, c.last_name, c.company, c.email, c.external_id)) like v_search)
  order by c.id
  limit list_contacts."limit";
end;
$$;

revoke all on function drip.list_contacts(bigint, text, text, bigint, int) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.list_contacts(bigint, text, text, bigint, int) to drip_app;
comment on function drip.list_contacts(bigint, text, text, bigint, int) is
'Contacts by id with tags and consent, filtered by search text and tag, in pages (after = last id seen). Errors: PT403, PT404, PT422.';
