-- Whether a user agent is one of those that are no person's; none at all is a script's.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._is_machine_agent(user_agent text)
returns boolean
language sql
stable
begin atomic
  select exists(
    select from drip_core.machine_agents as m
    where btrim(coalesce(_is_machine_agent.user_agent, '')) ~* m.pattern
  );
end;

revoke all on function drip_core._is_machine_agent(text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._is_machine_agent(text) is 'Whether a user agent is a scanner''s, a prefetcher''s or a script''s.';
