-- Why a message came back, from what a provider says: one of our reasons, a word for its class (hard, soft, policy, content,
-- sender …, as reason or detail.class), or an enhanced status code (detail.status, or in the words). A bounce of which nothing
-- else is said is for good; a failure of which nothing is said is the provider's policy and says nothing of the address.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._bounce_reason(type drip.provider_fact, reason text, detail jsonb)
returns drip.reason
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_words constant text := lower(concat_ws(' ',
    _bounce_reason.reason, _bounce_reason.detail ->> 'class', _bounce_reason.detail ->> 'bounce_type', _bounce_reason.detail ->> 'bounce_sub_type'));
  v_code constant text := coalesce(
    substring(_bounce_reason.detail ->> 'status' from '[245]\.\d{1,3}\.\d{1,3}'),
    substring(_bounce_reason.reason from '\m[245]\.\d{1,3}\.\d{1,3}\M'));
  v_reason drip.reason;
begin
  if lower(_bounce_reason.reason) in (
    'bounced', 'invalid_address', 'soft_bounced', 'rejected_content', 'rejected_policy', 'sender_blocked', 'template_unavailable',
    'session_closed', 'throttled', 'opted_out'
  ) then
    return lower(_bounce_reason.reason)::drip.reason;
  end if;
  if v_words ~ '\m(hard|hard_?bounce|permanent|suppressed|no_?email)\M' then
    return 'bounced'::drip.reason;
  elsif v_words ~ '\m(soft|soft_?bounce|transient|temporary|undetermined|mailbox_?full)\M' then
    return 'soft_bounced'::drip.reason;
  elsif v_words ~ '\m(policy|block|blocked|spam|reputation)\M' then
    return 'rejected_policy'::drip.reason;
  elsif v_words ~ '\m(content|too_?big|message_?too_?large|content_?rejected|attachment_?rejected)\M' then
    return 'rejected_content'::drip.reason;
  elsif v_words ~ '\m(sender|auth|authentication)\M' then
    return 'sender_blocked'::drip.reason;
  end if;
  select b.reason
  into v_reason
  from drip_core.bounce_codes as b
  where b.code in (v_code, substring(v_code from '^\d\.\d+'), left(v_code, 1))
  order by length(b.code) desc
  limit 1;
  return coalesce(v_reason, case _bounce_reason.type when 'bounced' then 'bounced' else 'rejected_policy' end::drip.reason);
end;
$$;

revoke all on function drip_core._bounce_reason(drip.provider_fact, text, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._bounce_reason(drip.provider_fact, text, jsonb) is 'Why a message came back, from what a provider says.';
