-- A list of ids for the audit trail: how many, and the first hundred. Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._audited_ids(ids bigint[])
returns jsonb
language sql
immutable
parallel safe
return jsonb_build_object('count', cardinality(ids), 'ids', to_jsonb(ids[1:100]));

revoke all on function drip_core._audited_ids(bigint[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._audited_ids(bigint[]) is 'A list of ids for the audit trail: how many, and the first hundred.';
