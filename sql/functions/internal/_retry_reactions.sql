-- owner: drip_engine
-- requires: functions/internal/_react_to_inbound.sql, functions/internal/_react_to_provider_event.sql, functions/internal/_react_to_deal.sql, functions/internal/_react_to_tags.sql
-- Tries reactions again that failed, one by one: what works is resolved, what does not waits longer each time (an hour at most).
-- Where somebody holds the rows of an organization, its other failures are left for ten seconds: it costs half a second per call.
-- Locks: the failures with skip locked, then as the reactions, which wait half a second at most. Errors: none.
create or replace function drip_core._retry_reactions(allowed bigint[], "limit" int)
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now constant timestamptz := drip_core.now();
  v_row drip_core.reaction_failures;
  v_resolved int := 0;
  v_code text;
  v_message text;
  v_held bigint[] := array[]::bigint[];
begin
  for v_row in
    select f.*
    from drip_core.reaction_failures as f
    where f.resolved_at is null and f.next_try_at <= v_now
      and (_retry_reactions.allowed is null or f.organization_id = any (_retry_reactions.allowed))
    order by f.next_try_at
    limit _retry_reactions.limit
    for no key update skip locked
  loop
    if v_row.organization_id = any (v_held) then
      update drip_core.reaction_failures as f
      set next_try_at = v_now + interval '10 seconds'
      where f.organization_id = v_row.organization_id and f.id = v_row.id;
      continue;
    end if;
    begin
      case v_row.kind
        when 'inbound' then
          perform drip_core._react_to_inbound(v_row.organization_id, v_row.fact_id);
        when 'provider_event' then
          perform drip_core._react_to_provider_event(v_row.organization_id, v_row.fact_id);
        when 'deal' then
          perform drip_core._react_to_deal(
            v_row.organization_id, v_row.fact_id, v_row.subject ->> 'stage', (v_row.subject ->> 'is_new')::boolean,
            (v_row.subject ->> 'is_stage_new')::boolean, v_row.occurred_at);
        when 'tag' then
          perform drip_core._react_to_tags(
            v_row.organization_id, array_fill(v_row.fact_id, array[jsonb_array_length(v_row.subject -> 'tags')]),
            array(select t.tag from jsonb_array_elements_text(v_row.subject -> 'tags') as t (tag)));
      end case;
      update drip_core.reaction_failures as f
      set resolved_at = v_now, attempts = f.attempts + 1
      where f.organization_id = v_row.organization_id and f.id = v_row.id;
      v_resolved := v_resolved + 1;
    exception
      when others then
        get stacked diagnostics v_code = returned_sqlstate, v_message = message_text;
        update drip_core.reaction_failures as f
        set
          attempts = f.attempts + 1, error_code = v_code, error_message = left(v_message, 500),
          next_try_at = v_now + least(interval '10 seconds' * power(2, least(f.attempts, 10)), interval '1 hour')
        where f.organization_id = v_row.organization_id and f.id = v_row.id;
        if v_code = '55P03' then
          -- a rival is at work there
          v_held := v_held || v_row.organization_id;
        end if;
    end;
  end loop;
  return v_resolved;
end;
$$;

revoke all on function drip_core._retry_reactions(bigint[], int) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._retry_reactions(bigint[], int) is 'Tries reactions again that failed; how many were resolved.';
