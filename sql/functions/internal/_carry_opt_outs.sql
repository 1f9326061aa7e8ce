-- requires: functions/internal/_consent_of.sql
-- Writes into the ledger of a contact that the owner of its address had opted out, unsubscribed or complained: the no of a
-- person holds when the contact was made anew, and when it gets another address. Dated as the suppression is.
-- Locks: none of its own. Errors: none. A repeat changes nothing.
create or replace function drip_core._carry_opt_outs(organization_id bigint, contact_id bigint, email_hash bytea, phone_hash bytea)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  insert into drip_core.consent_ledger (organization_id, contact_id, channel, state, is_effective, source, occurred_at, recorded_at)
  select s.organization_id, _carry_opt_outs.contact_id, s.channel, 'opted_out', true, 'suppression', s.created_at, drip_core.now()
  from drip_core.suppressions as s
  where s.organization_id = _carry_opt_outs.organization_id
    and s.address_hash = any (array[_carry_opt_outs.email_hash, _carry_opt_outs.phone_hash])
    and s.lifted_at is null and s.scope = 'all' and s.reason in ('opted_out', 'unsubscribed', 'complained')
    and s.address_hash = case s.channel when 'email' then _carry_opt_outs.email_hash else _carry_opt_outs.phone_hash end
    and drip_core._consent_of(s.organization_id, _carry_opt_outs.contact_id, s.channel) is distinct from 'opted_out'
  order by s.id;
$$;

revoke all on function drip_core._carry_opt_outs(bigint, bigint, bytea, bytea) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._carry_opt_outs(bigint, bigint, bytea, bytea) is
'Writes into the ledger of a contact that the owner of its address had said no.';
