-- requires: functions/internal/_try_time.sql, functions/internal/_text_problem.sql
-- What is wrong with the evidence of a consent or suppression; null for nothing.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._check_evidence(evidence jsonb)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key text;
begin
  if jsonb_typeof(_check_evidence.evidence) is distinct from 'object' then
    return 'evidence: a JSON object is needed';
  end if;
  if length(_check_evidence.evidence::text) > 16384 then
    return 'evidence: at most 16,384 characters; keep the document elsewhere and name it in source_ref';
  end if;
  v_key := drip_core._text_problem(_check_evidence.evidence, array[
    'source', 'source_ref', 'basis', 'wording_version', 'wording_hash', 'locale', 'ip', 'user_agent', 'occurred_at', 'expires_at', 'sequence_key'
  ], 2000, 'evidence');
  if v_key is not null then
    return v_key;
  end if;
  foreach v_key in array array['occurred_at', 'expires_at'] loop
    if _check_evidence.evidence ->> v_key is not null and drip_core._try_time(_check_evidence.evidence ->> v_key) is null then
      return format('evidence.%s: an ISO 8601 timestamp is needed', v_key);
    end if;
  end loop;
  if drip_core._try_time(_check_evidence.evidence ->> 'occurred_at') > drip_core.now() + interval '5 minutes' then
    return 'evidence.occurred_at: it lies in the future';
  end if;
  if _check_evidence.evidence ->> 'ip' is not null and _check_evidence.evidence ->> 'ip' !~ '^[0-9a-fA-F:.]{2,45}$' then
    return 'evidence.ip: an IPv4 or IPv6 address is needed';
  end if;
  begin
    perform (_check_evidence.evidence ->> 'ip')::inet;
  exception
    when invalid_text_representation then
      return 'evidence.ip: an IPv4 or IPv6 address is needed';
  end;
  return null;
end;
$$;

revoke all on function drip_core._check_evidence(jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._check_evidence(jsonb) is 'The problem of a piece of evidence, or null.';
