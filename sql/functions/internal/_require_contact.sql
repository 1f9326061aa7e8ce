-- Refuses a contact that the organization does not have, or that was erased. Locks: none. Errors: PT404. Harmless to repeat.
create or replace function drip_core._require_contact(organization_id bigint, contact_id bigint)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (
    select from drip_core.contacts as c
    where c.organization_id = _require_contact.organization_id and c.id = _require_contact.contact_id and c.erased_at is null
  ) then
    raise exception 'contact not found'
      using errcode = 'PT404', detail = format('contact_id: %s', coalesce(_require_contact.contact_id::text, 'null')),
        hint = 'drip.list_contacts shows the contacts there are.';
  end if;
end;
$$;

revoke all on function drip_core._require_contact(bigint, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._require_contact(bigint, bigint) is 'Raises PT404 for a contact that the organization does not have, or that was erased.';
