-- owner: drip_engine
-- requires: functions/internal/_read_time.sql
-- Reads the results array of drip.advance. Times that cannot be read and reasons that are not known are the provider's
-- business, not a cause to lose a result: they are left out. What identifies and decides must be right.
-- Locks: none. Errors: PT422. Harmless to repeat.
create or replace function drip_core._parse_results(results jsonb)
returns drip_core.provider_result[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_results drip_core.provider_result[];
  v_is_sound boolean;
  v_bad text;
begin
  if _parse_results.results is null or jsonb_typeof(_parse_results.results) <> 'array' then
    raise exception 'invalid results'
      using errcode = 'PT422', detail = 'results: a JSON array is needed', hint = 'Pass an array of {organization_id, enrollment_id, claim_token, outcome, ...}.';
  end if;
  begin
    -- one pass, typed: what cannot be read as its type ends up in the exception, which looks for the culprit
    select
      coalesce(array_agg(row(
        x.ordinal, x.organization_id, x.enrollment_id, x.claim_token, x.outcome, left(x.provider_message_id, 500),
        case when x.occurred_at is not null then drip_core._read_time(x.occurred_at) end,
        case when x.reason is not null then (select r.reason from drip_core.reasons as r where r.reason::text = x.reason) end,
        left(x.error_code, 100),
        left(x.error_message, 1000),
        case when x.retry_at is not null then drip_core._read_time(x.retry_at) end
      )::drip_core.provider_result order by x.ordinal), '{}'),
      coalesce(bool_and(coalesce(x.organization_id >= 0 and x.enrollment_id >= 0 and x.claim_token >= 0, false) and x.outcome is not null), true)
    into v_results, v_is_sound
    from rows from (
      jsonb_to_recordset(_parse_results.results) as (
        organization_id bigint, enrollment_id bigint, claim_token bigint, outcome drip.send_outcome, provider_message_id text,
        occurred_at text, reason text, error_code text, error_message text, retry_at text
      )
    ) with ordinality as x (
      organization_id, enrollment_id, claim_token, outcome, provider_message_id, occurred_at, reason, error_code, error_message, retry_at, ordinal
    );
  exception
    when data_exception then
      v_is_sound := false;
  end;
  if not v_is_sound then
    select format('results[%s]%s', x.ordinal - 1, case
      when jsonb_typeof(x.item) <> 'object' then ': an object is needed'
      else coalesce((
        select format('.%s: a number is needed', k.key)
        from unnest(array['organization_id', 'enrollment_id', 'claim_token']) with ordinality as k (key, ordinal)
        where coalesce(x.item ->> k.key, '') !~ '^[0-9]{1,18}$'
        order by k.ordinal
        limit 1
      ), format('.outcome: one of %s is needed', array_to_string(enum_range(null::drip.send_outcome), ', ')))
    end)
    into v_bad
    from jsonb_array_elements(_parse_results.results) with ordinality as x (item, ordinal)
    where jsonb_typeof(x.item) <> 'object'
      or coalesce(x.item ->> 'organization_id', '') !~ '^[0-9]{1,18}$'
      or coalesce(x.item ->> 'enrollment_id', '') !~ '^[0-9]{1,18}$'
      or coalesce(x.item ->> 'claim_token', '') !~ '^[0-9]{1,18}$'
      or coalesce(x.item ->> 'outcome', '') <> all (enum_range(null::drip.send_outcome)::text[])
    order by x.ordinal
    limit 1;
    raise exception 'invalid results'
      using errcode = 'PT422', detail = coalesce(v_bad, 'results: an id or a text is not what it should be'),
        hint = 'Each result has organization_id, enrollment_id, claim_token and an outcome: sent, retry, rejected, throttled, sender_error or unknown.';
  end if;
  return v_results;
end;
$$;

revoke all on function drip_core._parse_results(jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._parse_results(jsonb) is 'The results array of drip.advance as rows.';
