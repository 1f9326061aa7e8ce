-- The error code in the details of an event where it looks like one, else other; null where there is none. What a provider
-- put there instead (an address, a sentence) is no key of a report.
-- Locks: none. Errors: none.
create or replace function drip_core._plain_code(data jsonb)
returns text
language sql
immutable
parallel safe
return case
  when coalesce(_plain_code.data ->> 'error_code', _plain_code.data ->> 'status')
    ~ '^([0-9]{1,8}|([0-9]{3} )?[0-9]{1,3}(\.[0-9]{1,3}){1,2}|[A-Za-z][A-Za-z0-9_]{0,39})$'
    then coalesce(_plain_code.data ->> 'error_code', _plain_code.data ->> 'status')
  when coalesce(_plain_code.data ->> 'error_code', _plain_code.data ->> 'status') is not null then 'other'
end;

revoke all on function drip_core._plain_code(jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._plain_code(jsonb) is 'The error code in the details of an event, where it is one.';
