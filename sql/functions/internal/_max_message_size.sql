-- How large a message may be: subject, text, html and parameters together, in bytes. What is larger is never rendered.
-- Inlined by the planner. Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._max_message_size()
returns int
language sql
immutable
parallel safe
return 2000000;

revoke all on function drip_core._max_message_size() from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._max_message_size() is 'Bytes that subject, text, html and parameters of a message may have together.';
