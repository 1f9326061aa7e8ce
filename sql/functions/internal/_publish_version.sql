-- requires: functions/internal/_compile_template.sql, functions/internal/_parse_delay.sql, functions/internal/_parse_window.sql, functions/internal/_with_footer.sql, functions/internal/_collect_links.sql, functions/internal/_compile_tracked.sql, functions/internal/_unescape_html.sql, functions/internal/_template_parts.sql
-- Stores a checked definition as a new immutable version: compiled steps, numbered links and senders.
-- Locks: none of its own; the caller holds the sequence. Errors: none for a definition that passed
-- _check_definition. Not to be repeated: the version number must be free.
create or replace function drip_core._publish_version(organization_id bigint, sequence_id bigint, version int, definition jsonb, content_hash bytea)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org constant bigint := _publish_version.organization_id;
  v_sequence constant bigint := _publish_version.sequence_id;
  v_version constant int := _publish_version.version;
  v_def constant jsonb := _publish_version.definition;
  v_now constant timestamptz := drip_core.now();
  v_profile constant uuid := drip_core.current_profile();
  v_channels drip.channel[];
  v_backoff interval[];
  v_reentry jsonb := coalesce(v_def -> 'reentry', '"never"');
  v_after interval;
  v_step record;
  v_fields record;
  v_subject text;
  v_text text;
  v_html text;
  v_id bigint;
  v_root_id bigint;
  v_root_subject text;
  v_delay record;
  v_window record;
  v_within interval;
  v_links text[];
begin
  select array_agg(c.channel order by c.first_no)
  into v_channels
  from (
    select (s.step ->> 'channel')::drip.channel as channel, min(s.ordinal) as first_no
    from jsonb_array_elements(v_def -> 'steps') with ordinality as s (step, ordinal)
    group by 1
  ) as c;

  select coalesce(array_agg(p.elapsed + make_interval(days => p.days) order by b.ordinal), '{}')
  into v_backoff
  from jsonb_array_elements_text(coalesce(v_def -> 'retry' -> 'backoff', '["5 min", "10 min", "20 min"]')) with ordinality as b (delay, ordinal)
  cross join lateral drip_core._parse_delay(b.delay) as p;

  if jsonb_typeof(v_reentry) = 'object' then
    select p.elapsed + make_interval(days => p.days) into v_after from drip_core._parse_delay(v_reentry ->> 'after') as p;
  end if;

  if v_def -> 'goal' ? 'within' then
    select p.elapsed + make_interval(days => p.days + p.business_days) into v_within from drip_core._parse_delay(v_def -> 'goal' ->> 'within') as p;
  end if;

  select w.* into v_window from drip_core._parse_window(v_def -> 'window') as w;

  insert into drip_core.sequence_versions (
    organization_id, sequence_id, version, definition, content_hash, channels, reentry, reentry_after, on_reply,
    retry_backoff, step_count, field_paths, field_channels, window_timezone, window_weekdays, window_starts, window_ends, window_holidays,
    exits_on_deal_created, exit_deal_stages, goal_deal_stages, goal_within, enroll_tags, enroll_deal_stages, published_at, published_by
  )
  select
    v_org, v_sequence, v_version, v_def, _publish_version.content_hash, v_channels,
    case when v_after is not null then 'after'::drip.reentry_policy else (v_reentry #>> '{}')::drip.reentry_policy end,
    v_after,
    coalesce(v_def ->> 'on_reply', 'pause')::drip.reply_policy,
    v_backoff,
    jsonb_array_length(v_def -> 'steps'),
    coalesce(array_agg(f.field_path order by f.field_path, f.channel), '{}'),
    coalesce(array_agg(f.channel order by f.field_path, f.channel), '{}'),
    v_window.timezone, v_window.weekdays, v_window.starts, v_window.ends, v_window.holidays,
    coalesce((v_def -> 'exit_on' ->> 'deal_created')::boolean, false),
    array(select btrim(s.stage) from jsonb_array_elements_text(v_def -> 'exit_on' -> 'deal_stages') as s (stage)),
    array(select btrim(s.stage) from jsonb_array_elements_text(v_def -> 'goal' -> 'deal_stages') as s (stage)),
    v_within,
    array(select btrim(r.rule ->> 'tag_added') from jsonb_array_elements(v_def -> 'enroll_on') as r (rule) where r.rule ? 'tag_added'),
    array(select btrim(r.rule ->> 'deal_stage') from jsonb_array_elements(v_def -> 'enroll_on') as r (rule) where r.rule ? 'deal_stage'),
    v_now, v_profile
  from (
    select distinct t.field_path, (s.step ->> 'channel')::drip.channel as channel
    from jsonb_array_elements(v_def -> 'steps') as s (step)
    cross join lateral (
      select s.step ->> k.part as template
      from unnest(array['subject', 'text', 'html']) as k (part)
      union all
      select e.value
      from jsonb_each_text(coalesce(s.step -> 'parameters', '{}')) as e
    ) as p
    cross join lateral drip_core._parse_template(p.template) as t
    where t.field_default is null and (t.field_path like 'contact.%' or t.field_path like 'deal.%')
  ) as f;

  insert into drip_core.version_senders (organization_id, sequence_id, version, channel, channel_account_id, weight)
  select v_org, v_sequence, v_version, a.channel, a.id, coalesce((s.item ->> 'weight')::int, 1)
  from jsonb_array_elements(coalesce(nullif(v_def -> 'senders', 'null'), '[]')) as s (item)
  join drip_core.channel_accounts as a on a.organization_id = v_org and a.key = s.item ->> 'account'
  where a.channel = any (v_channels);

  -- the queues of the senders there are, so that enrolling does not have to make them
  insert into drip_core.queues (organization_id, channel_account_id, sequence_id, is_open)
  select v_org, a.id, v_sequence, s.status = 'active'
  from drip_core.channel_accounts as a
  join drip_core.sequences as s on s.organization_id = v_org and s.id = v_sequence
  where a.organization_id = v_org and a.channel = any (v_channels)
    and (
      exists (
        select from drip_core.version_senders as vs
        where vs.organization_id = v_org and vs.sequence_id = v_sequence and vs.version = v_version and vs.channel_account_id = a.id
      )
      or not exists (
        select from drip_core.version_senders as vs
        where vs.organization_id = v_org and vs.sequence_id = v_sequence and vs.version = v_version and vs.channel = a.channel
      )
    )
  order by a.id
  on conflict do nothing;

  for v_step in
    select s.step, s.ordinal::int as step_no, (s.step ->> 'channel')::drip.channel as channel
    from jsonb_array_elements(v_def -> 'steps') with ordinality as s (step, ordinal)
    order by s.ordinal
  loop
    v_subject := v_step.step ->> 'subject';
    v_text := v_step.step ->> 'text';
    v_html := v_step.step ->> 'html';
    if v_step.channel = 'email' then
      v_text := drip_core._with_footer(v_text, false);
      v_html := drip_core._with_footer(v_html, true);
    end if;
    if coalesce((v_step.step ->> 'thread')::boolean, false) then
      v_subject := 'Re: ' || v_root_subject;
    elsif v_step.channel = 'email' then
      v_root_id := null;
      v_root_subject := v_subject;
    end if;

    v_links := drip_core._collect_links(v_html);

    select coalesce(array_agg(f.field_path order by f.first_no), '{}') as paths, coalesce(array_agg(f.field_default order by f.first_no), '{}') as defaults
    into v_fields
    from (
      select t.field_path, t.field_default, min(p.part_no * 100000 + t.ordinal) as first_no
      from (
        select k.part_no, case k.part when 'subject' then v_subject when 'text' then v_text else v_html end as template
        from unnest(array['subject', 'text', 'html']) with ordinality as k (part, part_no)
        union all
        select 3 + row_number() over (order by e.key), e.value
        from jsonb_each_text(coalesce(v_step.step -> 'parameters', '{}')) as e
      ) as p
      cross join lateral drip_core._parse_template(p.template) with ordinality as t (literal, field_path, field_default, problem, ordinal)
      -- an email's own link needs no value: it is made of the message
      where t.field_path is not null and (t.field_path <> 'unsubscribe_url' or v_step.channel <> 'email')
      group by t.field_path, t.field_default
    ) as f;

    select p.elapsed, p.days, p.business_days, p.at_time into v_delay from drip_core._parse_delay(v_step.step ->> 'delay') as p;

    insert into drip_core.steps (
      organization_id, sequence_id, version, step_no, key, channel, channel_no, delay_elapsed, delay_days, delay_business_days, delay_at,
      thread_root_id, subject_format, text_format, html_format, html_tracked_format, template, skips_outside_session, field_paths, field_defaults
    )
    values (
      v_org, v_sequence, v_version, v_step.step_no, v_step.step ->> 'key', v_step.channel, array_position(v_channels, v_step.channel),
      v_delay.elapsed, v_delay.days, v_delay.business_days, v_delay.at_time,
      case when coalesce((v_step.step ->> 'thread')::boolean, false) then v_root_id end,
      drip_core._compile_template(v_subject, v_fields.paths, v_fields.defaults, 2),
      drip_core._compile_template(v_text, v_fields.paths, v_fields.defaults, 0),
      drip_core._compile_template(v_html, v_fields.paths, v_fields.defaults, 1),
      case when v_step.channel = 'email' then drip_core._compile_tracked(v_html, v_links, v_fields.paths, v_fields.defaults) end,
      case when v_step.channel = 'whatsapp_cloud' and v_step.step ? 'template' then jsonb_build_object(
        'name', v_step.step ->> 'template',
        'language', coalesce(v_step.step ->> 'language', 'en'),
        'parameters', (
          select coalesce(jsonb_object_agg(e.key, drip_core._compile_template(e.value, v_fields.paths, v_fields.defaults, 2)), '{}')
          from jsonb_each_text(coalesce(v_step.step -> 'parameters', '{}')) as e
        ),
        -- what each value becomes: the template may change, the version does not
        'components', (
          select coalesce(jsonb_agg(c.component || jsonb_build_object('parameters', c.parameters) order by c.first_no), '[]')
          from (
            select p.component, min(p.ordinal) as first_no, jsonb_agg(p.parameter || jsonb_build_object('key', p.key) order by p.ordinal) as parameters
            from drip_core.whatsapp_templates as t
            cross join lateral drip_core._template_parts(t.components, t.parameter_format)
              with ordinality as p (component_no, key, is_required, component, parameter, problem, ordinal)
            where t.organization_id = v_org and t.name = v_step.step ->> 'template' and t.language = coalesce(v_step.step ->> 'language', 'en')
              and p.component is not null and v_step.step -> 'parameters' ? p.key
            group by p.component_no, p.component
          ) as c
        )
      ) end,
      coalesce(v_step.step ->> 'outside_session' = 'skip', false),
      v_fields.paths, v_fields.defaults
    )
    returning id into v_id;
    if v_step.channel = 'email' then
      insert into drip_core.step_links (organization_id, step_id, link_no, url)
      select v_org, v_id, l.link_no, drip_core._unescape_html(l.url)
      from unnest(v_links) with ordinality as l (url, link_no);
    end if;

    if v_step.channel = 'email' and v_root_id is null then
      v_root_id := v_id;
    end if;
  end loop;
end;
$$;

revoke all on function drip_core._publish_version(bigint, bigint, int, jsonb, bytea) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._publish_version(bigint, bigint, int, jsonb, bytea) is 'Stores a checked definition as an immutable version with compiled steps and senders.';
