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
  v_bad text;
begin
  if _parse_results.results is null or jsonb_typeof(_parse_results.results) <> 'array' then
    raise exception 'invalid results'
      using errcode = 'PT422', detail = 'results: a JSON array is needed', hint = 'Pass an array of {organization_id, enrollment_id, claim_token, outcome, ...}.';
  end if;
  select format('results[%s]: %s', x.ordinal - 1, left(x.item::text, 200))
  into v_bad
  from jsonb_array_elements(_parse_results.results) with ordinality as x (item, ordinal)
  where jsonb_typeof(x.item) <> 'object'
    or coalesce(x.item ->> 'organization_id', '') !~ '^[0-9]{1,18}$'
    or coalesce(x.item ->> 'enrollment_id', '') !~ '^[0-9]{1,18}$'
    or coalesce(x.item ->> 'claim_token', '') !~ '^[0-9]{1,18}$'
    or coalesce(x.item ->> 'outcome', '') not in ('sent', 'retry', 'rejected', 'throttled', 'sender_error', 'unknown')
  order by x.ordinal
  limit 1;
  if v_bad is not null then
    raise exception 'invalid results'
      using errcode = 'PT422', detail = v_bad,
        hint = 'Each result has organization_id, enrollment_id, claim_token and an outcome: sent, retry, rejected, throttled, sender_error or unknown.';
  end if;
  select coalesce(array_agg(row(
    x.ordinal,
    (x.item ->> 'organization_id')::bigint,
    (x.item ->> 'enrollment_id')::bigint,
    (x.item ->> 'claim_token')::bigint,
    (x.item ->> 'outcome')::drip.send_outcome,
    left(x.item ->> 'provider_message_id', 500),
    drip_core._read_time(x.item ->> 'occurred_at'),
    r.reason,
    left(x.item ->> 'error_code', 100),
    left(x.item ->> 'error_message', 1000),
    drip_core._read_time(x.item ->> 'retry_at')
  )::drip_core.provider_result order by x.ordinal), '{}')
  into v_results
  from jsonb_array_elements(_parse_results.results) with ordinality as x (item, ordinal)
  left join drip_core.reasons as r on r.reason::text = x.item ->> 'reason';
  return v_results;
end;
$$;

revoke all on function drip_core._parse_results(jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._parse_results(jsonb) is 'The results array of drip.advance as rows.';
