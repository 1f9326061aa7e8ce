-- requires: functions/internal/_read_channel.sql, functions/internal/_check_evidence.sql, functions/internal/_hash_address.sql, functions/internal/_withdraw_consent.sql, functions/internal/_sequence_id.sql
-- Checks one entry for the suppression list and puts it there; see drip.suppress. Answers suppressed or already_suppressed.
-- Locks: as _withdraw_consent. Errors: PT404 (sequence), PT422. A repeat changes nothing.
create or replace function drip_core._suppress_address(
  organization_id bigint, channel text, address text, reason text, evidence jsonb, source text
)
returns text
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org constant bigint := _suppress_address.organization_id;
  v_channel drip.channel;
  v_address text;
  v_reasons constant text[] := array[
    'opted_out', 'unsubscribed', 'suppressed', 'complained', 'bounced', 'invalid_address', 'rejected_policy', 'erased', 'manual'];
  v_problem text;
  v_sequence_id bigint;
  v_is_new boolean;
begin
  v_channel := drip_core._read_channel(_suppress_address.channel);
  if v_channel = 'email' then
    v_address := btrim(_suppress_address.address);
    if coalesce(v_address, '') !~ '^[^@[:space:]<>,;]+@[^@[:space:]<>,;]+$' then
      v_problem := 'address: an email address is needed';
    end if;
  else
    v_address := drip_core._normalise_phone(_suppress_address.address);
    if coalesce(v_address, '') !~ '^\+[1-9][0-9]{6,14}$' then
      v_problem := 'address: a phone number in the form +491701234567 is needed';
    end if;
  end if;
  if _suppress_address.reason is null or _suppress_address.reason <> all (v_reasons) then
    v_problem := format('reason: one of %s is needed', array_to_string(v_reasons, ', '));
  end if;
  v_problem := coalesce(v_problem, drip_core._check_evidence(_suppress_address.evidence));
  if v_problem is not null then
    raise exception 'invalid suppression'
      using errcode = 'PT422', detail = v_problem, hint = 'Nothing was changed. Correct it and call again.';
  end if;
  if _suppress_address.evidence ->> 'sequence_key' is not null then
    v_sequence_id := drip_core._sequence_id(v_org, _suppress_address.evidence ->> 'sequence_key');
  end if;
  select w.is_new
  into v_is_new
  from drip_core._withdraw_consent(
    v_org, v_channel, '{}', array[drip_core._hash_address(v_channel, v_address)], _suppress_address.reason::drip.reason, v_sequence_id,
    _suppress_address.source, _suppress_address.evidence, jsonb_build_object('source', _suppress_address.source), null, null) as w;
  return case when v_is_new then 'suppressed' else 'already_suppressed' end;
end;
$$;

revoke all on function drip_core._suppress_address(bigint, text, text, text, jsonb, text)
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._suppress_address(bigint, text, text, text, jsonb, text) is
'Checks one entry for the suppression list and puts it there. Errors: PT404, PT422.';
