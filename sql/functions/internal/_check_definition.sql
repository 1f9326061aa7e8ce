-- requires: functions/internal/_unknown_keys.sql, functions/internal/_parse_delay.sql, functions/internal/_parse_template.sql, functions/internal/_check_window.sql, functions/internal/_delay_problem.sql, functions/internal/_check_rules.sql, functions/internal/_check_whatsapp_step.sql
-- Every problem of a sequence definition, with path, code and a message that says what to do; no rows: it can be
-- published. The one place where a definition is judged: validate_sequence shows it, apply_sequence refuses by it.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._check_definition(organization_id bigint, definition jsonb)
returns table (path text, code text, message text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_org constant bigint := _check_definition.organization_id;
  -- a null is an absent key: what is judged is what is published
  v_def constant jsonb := jsonb_strip_nulls(_check_definition.definition);
  v_step jsonb;
  v_path text;
  v_text text;
  v_problem text;
  v_keys text[] := array[]::text[];
  v_seen_email_root boolean := false;
  v_item jsonb;
  v_part text;
begin
  if v_def is null or jsonb_typeof(v_def) <> 'object' then
    return query select '', 'invalid', 'a sequence definition is a JSON object';
    return;
  end if;
  if octet_length(v_def::text) > 1000000 then
    return query select '', 'too_large', 'a sequence definition has at most 1,000,000 bytes';
    return;
  end if;

  return query select p.path, p.code, p.message from drip_core._unknown_keys(v_def, array[
    'key', 'name', 'status', 'window', 'senders', 'reentry', 'on_reply', 'retry', 'exit_on', 'goal', 'enroll_on', 'steps'
  ], '') as p;

  if coalesce(v_def ->> 'key', '') !~ '^[a-z0-9][a-z0-9._-]{0,99}$' then
    return query select 'key', case when v_def ? 'key' then 'invalid' else 'required' end,
      'a key of lower-case letters, digits, dots, dashes and underscores is needed';
  end if;
  if v_def ? 'name' and (jsonb_typeof(v_def -> 'name') <> 'string' or btrim(v_def ->> 'name') = '' or length(v_def ->> 'name') > 200) then
    return query select 'name', 'invalid', 'a name is a text of 1 to 200 characters';
  end if;
  if v_def ? 'status' and coalesce(v_def ->> 'status', '') not in ('draft', 'active', 'paused', 'archived') then
    return query select 'status', 'invalid', format('"%s" is not a status; use draft, active, paused or archived', left(v_def ->> 'status', 40));
  end if;
  if v_def ? 'window' then
    return query select p.path, p.code, p.message from drip_core._check_window(v_def -> 'window', 'window') as p;
  end if;
  return query select p.path, p.code, p.message from drip_core._check_rules(v_def) as p;
  if v_def ? 'on_reply' and coalesce(v_def ->> 'on_reply', '') not in ('pause', 'exit', 'continue') then
    return query select 'on_reply', 'invalid', format('"%s" is not a reply policy; use pause, exit or continue', left(v_def ->> 'on_reply', 40));
  end if;

  -- re-entry and retries
  if v_def ? 'reentry' then
    if jsonb_typeof(v_def -> 'reentry') = 'object' then
      return query select p.path, p.code, p.message from drip_core._unknown_keys(v_def -> 'reentry', array['after'], 'reentry') as p;
      v_problem := drip_core._delay_problem(coalesce(v_def -> 'reentry' ->> 'after', '?'));
      if v_problem is not null then
        return query select 'reentry.after', 'invalid', v_problem;
      end if;
    elsif coalesce(v_def ->> 'reentry', '') not in ('never', 'when_finished') then
      return query select 'reentry', 'invalid', format('"%s" is not a re-entry policy; use never, when_finished or {"after": "90 days"}', left(v_def ->> 'reentry', 40));
    end if;
  end if;
  if v_def ? 'retry' then
    return query select p.path, p.code, p.message from drip_core._unknown_keys(v_def -> 'retry', array['backoff'], 'retry') as p;
    if jsonb_typeof(v_def -> 'retry' -> 'backoff') is distinct from 'array' or jsonb_array_length(v_def -> 'retry' -> 'backoff') > 20 then
      return query select 'retry.backoff', 'invalid', 'a list of at most 20 delays is needed, such as ["5 min", "10 min"]';
    else
      return query
      select format('retry.backoff[%s]', b.ordinal - 1), 'invalid', drip_core._delay_problem(coalesce(b.delay, 'null'))
      from jsonb_array_elements_text(v_def -> 'retry' -> 'backoff') with ordinality as b (delay, ordinal)
      where drip_core._delay_problem(coalesce(b.delay, 'null')) is not null;
    end if;
  end if;

  -- senders
  if v_def ? 'senders' and jsonb_typeof(v_def -> 'senders') <> 'array' then
    return query select 'senders', 'invalid', 'a list is needed, such as [{"account": "sales-mailbox", "weight": 2}]';
  else
    for v_item, v_path in
      select s.item, format('senders[%s]', s.ordinal - 1)
      from jsonb_array_elements(coalesce(nullif(v_def -> 'senders', 'null'), '[]')) with ordinality as s (item, ordinal)
    loop
      if jsonb_typeof(v_item) <> 'object' then
        return query select v_path, 'invalid', 'a sender is an object with "account" and, if wanted, "weight"';
        continue;
      end if;
      return query select p.path, p.code, p.message from drip_core._unknown_keys(v_item, array['account', 'weight'], v_path) as p;
      if not exists (
        select from drip_core.channel_accounts as a where a.organization_id = v_org and a.key = v_item ->> 'account'
      ) then
        return query select v_path || '.account', 'not_found',
          format('there is no channel account "%s"', left(v_item ->> 'account', 100))
          || coalesce('; did you mean "' || drip_core._nearest_word(coalesce(v_item ->> 'account', ''), array(
            select a.key from drip_core.channel_accounts as a where a.organization_id = v_org order by a.key limit 200)) || '"?', '');
      end if;
      if v_item ? 'weight' and (jsonb_typeof(v_item -> 'weight') <> 'number' or (v_item ->> 'weight') !~ '^[1-9][0-9]{0,5}$') then
        return query select v_path || '.weight', 'invalid', 'a weight is a whole number from 1 to 999999';
      end if;
    end loop;
    return query
    select 'senders', 'duplicate', format('the account "%s" is listed twice', left(s.item ->> 'account', 100))
    from jsonb_array_elements(coalesce(nullif(v_def -> 'senders', 'null'), '[]')) as s (item)
    where jsonb_typeof(s.item) = 'object'
    group by s.item ->> 'account'
    having count(*) > 1;
  end if;

  -- steps
  if jsonb_typeof(v_def -> 'steps') is distinct from 'array' or jsonb_array_length(v_def -> 'steps') = 0 then
    return query select 'steps', 'required', 'a sequence has at least one step';
    return;
  end if;
  if jsonb_array_length(v_def -> 'steps') > 200 then
    return query select 'steps', 'too_large', 'a sequence has at most 200 steps';
    return;
  end if;
  for v_step, v_path in
    select s.step, format('steps[%s]', s.ordinal - 1)
    from jsonb_array_elements(v_def -> 'steps') with ordinality as s (step, ordinal)
  loop
    if jsonb_typeof(v_step) <> 'object' then
      return query select v_path, 'invalid', 'a step is an object';
      continue;
    end if;
    if coalesce(v_step ->> 'key', '') !~ '^[a-z0-9][a-z0-9._-]{0,99}$' then
      return query select v_path || '.key', case when v_step ? 'key' then 'invalid' else 'required' end,
        'a key of lower-case letters, digits, dots, dashes and underscores is needed';
    elsif v_step ->> 'key' = any (v_keys) then
      return query select v_path || '.key', 'duplicate', format('the key "%s" is used twice', v_step ->> 'key');
    end if;
    v_keys := array_append(v_keys, v_step ->> 'key');

    if v_step ? 'delay' then
      v_problem := (drip_core._parse_delay(v_step ->> 'delay')).problem;
      if v_problem is not null then
        return query select v_path || '.delay', 'invalid', v_problem;
      end if;
    end if;

    v_text := v_step ->> 'channel';
    if v_text is null or not exists (select from unnest(enum_range(null::drip.channel)) as c (name) where c.name::text = v_text) then
      return query select v_path || '.channel', case when v_step ? 'channel' then 'invalid' else 'required' end,
        'the channel is one of ' || array_to_string(enum_range(null::drip.channel), ', ');
      continue;
    end if;

    -- what each channel takes
    return query select p.path, p.code, p.message from drip_core._unknown_keys(v_step, case v_text
      when 'email' then array['key', 'channel', 'delay', 'subject', 'text', 'html', 'thread']
      when 'whatsapp_cloud' then array['key', 'channel', 'delay', 'template', 'language', 'parameters', 'text', 'outside_session']
      else array['key', 'channel', 'delay', 'text', 'allow_identical_text']
    end, v_path) as p;

    foreach v_part in array array['subject', 'text', 'html', 'template', 'language'] loop
      if v_step ? v_part and jsonb_typeof(v_step -> v_part) <> 'string' then
        return query select v_path || '.' || v_part, 'invalid', format('"%s" is a text', v_part);
      end if;
    end loop;

    case v_text
      when 'email' then
        if v_step ? 'thread' and jsonb_typeof(v_step -> 'thread') <> 'boolean' then
          return query select v_path || '.thread', 'invalid', 'thread is true or false';
        end if;
        if coalesce(v_step ->> 'thread', 'false') = 'true' then
          if v_step ? 'subject' then
            return query select v_path || '.subject', 'invalid', 'a step with thread: true answers in its thread and takes its subject ("Re: ..."); leave subject out';
          end if;
          if not v_seen_email_root then
            return query select v_path || '.thread', 'invalid', 'there is no earlier email step to answer';
          end if;
        else
          v_seen_email_root := true;
          if btrim(coalesce(v_step ->> 'subject', '')) = '' then
            return query select v_path || '.subject', 'required', 'an email needs a subject';
          end if;
        end if;
        if btrim(coalesce(v_step ->> 'text', '')) = '' and btrim(coalesce(v_step ->> 'html', '')) = '' then
          return query select v_path || '.text', 'required', 'an email needs a text or an html body, better both';
        end if;
        if not exists (select from drip_core.organizations as o where o.id = v_org and o.public_base_url is not null) then
          return query select v_path, 'no_public_base_url',
            'an email step needs the organization''s public_base_url for its unsubscribe links; set it with drip.update_organization';
        end if;
      when 'whatsapp_lite' then
        if btrim(coalesce(v_step ->> 'text', '')) = '' then
          return query select v_path || '.text', 'required', 'a message needs a text';
        end if;
        if v_step ? 'allow_identical_text' and jsonb_typeof(v_step -> 'allow_identical_text') <> 'boolean' then
          return query select v_path || '.allow_identical_text', 'invalid', 'allow_identical_text is true or false';
        elsif v_step -> 'allow_identical_text' is distinct from 'true' and btrim(coalesce(v_step ->> 'text', '')) <> '' and not exists (
          select from drip_core._parse_template(v_step ->> 'text') as t
          where t.problem is not null or t.field_path ~ '^(contact|deal)\.'
        ) then
          return query select v_path || '.text', 'identical_text',
            'everybody would get the same text, which gets WhatsApp numbers banned; use a field of the contact or deal, or say allow_identical_text: true';
        end if;
      else
        return query select p.path, p.code, p.message from drip_core._check_whatsapp_step(v_org, v_step, v_path) as p;
    end case;

    -- merge fields: with many of them one value becomes many
    if (
      select sum(regexp_count(k.template, '\{\{'))
      from (
        select v_step ->> p.part as template
        from unnest(array['subject', 'text', 'html']) as p (part)
        union all
        select e.value
        from jsonb_each_text(case when jsonb_typeof(v_step -> 'parameters') = 'object' then v_step -> 'parameters' else '{}' end) as e
      ) as k
    ) > 1000 then
      return query select v_path, 'too_large', 'a step mentions at most 1,000 merge fields';
    end if;
    return query
    select p.at_path, 'merge_field', t.problem
    from (
      select v_path || '.' || k.part as at_path, v_step ->> k.part as template
      from unnest(array['subject', 'text', 'html']) as k (part)
      union all
      select v_path || '.parameters.' || e.key, e.value
      from jsonb_each_text(case when jsonb_typeof(v_step -> 'parameters') = 'object' then v_step -> 'parameters' else '{}' end) as e
    ) as p
    cross join lateral drip_core._parse_template(p.template) as t
    where t.problem is not null;

    -- a sender
    if not exists (
      select from drip_core.channel_accounts as a
      join jsonb_array_elements(case when jsonb_typeof(v_def -> 'senders') = 'array' then v_def -> 'senders' else '[]' end) as s (item)
        on s.item ->> 'account' = a.key
      where a.organization_id = v_org and a.channel::text = v_text
    ) and not exists (
      select from drip_core.channel_accounts as a
      join drip_core.lanes as l on l.organization_id = a.organization_id and l.channel_account_id = a.id
      where a.organization_id = v_org and a.channel::text = v_text and l.status = 'active'
    ) then
      return query select v_path || '.channel', 'no_sender', format('no sender for the channel "%s": list one in senders or apply an account of it', v_text);
    end if;
  end loop;
end;
$$;

revoke all on function drip_core._check_definition(bigint, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._check_definition(bigint, jsonb) is 'Problems (path, code, message) of a sequence definition; none: it can be published.';
