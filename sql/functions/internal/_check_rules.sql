-- requires: functions/internal/_unknown_keys.sql, functions/internal/_delay_problem.sql, functions/internal/_is_word_list.sql
-- Every problem of what a definition says about deals and tags: exit_on, goal, enroll_on. Nulls have been stripped from it.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._check_rules(definition jsonb)
returns table (path text, code text, message text)
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_exit constant jsonb := _check_rules.definition -> 'exit_on';
  v_goal constant jsonb := _check_rules.definition -> 'goal';
  v_enroll constant jsonb := _check_rules.definition -> 'enroll_on';
  v_problem text;
  v_item jsonb;
  v_path text;
begin
  if v_exit is not null and jsonb_typeof(v_exit) <> 'object' then
    return query select 'exit_on', 'invalid', 'an object is needed, such as {"deal_created": true, "deal_stages": ["won", "lost"]}';
  elsif v_exit is not null then
    return query select p.path, p.code, p.message from drip_core._unknown_keys(v_exit, array['deal_created', 'deal_stages'], 'exit_on') as p;
    if jsonb_typeof(v_exit -> 'deal_created') <> 'boolean' then
      return query select 'exit_on.deal_created', 'invalid', 'deal_created is true or false';
    end if;
    if v_exit ? 'deal_stages' and drip_core._is_word_list(v_exit -> 'deal_stages') is not true then
      return query select 'exit_on.deal_stages', 'invalid', 'a list of stages is needed, such as ["won", "lost"]';
    end if;
  end if;

  if v_goal is not null then
    return query select p.path, p.code, p.message from drip_core._unknown_keys(v_goal, array['deal_stages', 'within'], 'goal') as p;
    if drip_core._is_word_list(v_goal -> 'deal_stages') is not true or v_goal -> 'deal_stages' = '[]' then
      return query select 'goal.deal_stages', case when v_goal ? 'deal_stages' then 'invalid' else 'required' end,
        'a list of the stages that are the goal is needed, such as ["won"]';
    end if;
    if v_goal ? 'within' then
      v_problem := drip_core._delay_problem(v_goal ->> 'within');
      if v_problem is not null then
        return query select 'goal.within', 'invalid', v_problem;
      end if;
    end if;
  end if;

  if v_enroll is not null and jsonb_typeof(v_enroll) <> 'array' then
    return query select 'enroll_on', 'invalid', 'a list is needed, such as [{"tag_added": "lead"}, {"deal_stage": "qualified"}]';
  elsif v_enroll is not null then
    for v_item, v_path in
      select e.item, format('enroll_on[%s]', e.ordinal - 1)
      from jsonb_array_elements(v_enroll) with ordinality as e (item, ordinal)
    loop
      if jsonb_typeof(v_item) <> 'object' or (select count(*) from jsonb_object_keys(v_item)) <> 1 then
        return query select v_path, 'invalid', 'each entry is an object with tag_added or deal_stage';
        continue;
      end if;
      return query select p.path, p.code, p.message from drip_core._unknown_keys(v_item, array['tag_added', 'deal_stage'], v_path) as p;
      if not drip_core._is_word_list(jsonb_build_array(coalesce(v_item -> 'tag_added', v_item -> 'deal_stage', '"-"'))) then
        return query select v_path || case when v_item ? 'tag_added' then '.tag_added' else '.deal_stage' end, 'invalid', 'a tag or a stage is a text of 1 to 100 characters';
      end if;
    end loop;
  end if;
end;
$$;

revoke all on function drip_core._check_rules(jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._check_rules(jsonb) is 'Problems (path, code, message) of exit_on, goal and enroll_on of a definition.';
