-- Each function that reactions stand on is taken away in turn: every write lands, what failed is visible, and with the function back,
-- before anything was tried again, the next claim returns nobody who is to be left alone.
begin;
select plan(6);
select drip_test.organization('A', settings => '{"tracking": true}');
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'box', '{"config": {"unsubscribe_address": "leave@sender.example"}}');
select drip_test.email_sequence(drip_test.org(), 'mails', 3, '{"on_reply": "exit", "exit_on": {"deal_stages": ["lost"]}, "goal": {"deal_stages": ["won"]},
  "steps": [{"key": "s1", "channel": "email", "subject": "Hi", "text": "Hi", "html": "<a href=\"https://example.com/a\">a</a>"},
    {"key": "s2", "channel": "email", "delay": "30 days", "subject": "Hi", "text": "Hi"}]}');
select drip_test.email_sequence(drip_test.org(), 'leads', 1, '{"enroll_on": [{"tag_added": "lead"}, {"deal_stage": "lead"}]}');
create temporary table them on commit drop as
select
  c.enrollment_id,
  c.claim_token,
  c.message_token,
  c.link_token,
  c.headers ->> 'Message-ID' as message_id,
  split_part(c.to_address, '@', 1) as who
from (select drip_test.enrolled(drip_test.org(), 'mails', drip_test.contacts(drip_test.org(), 14, 'c')) as ids) as e
cross join lateral drip.claim(organization_id => drip_test.org()) as c
where e.ids is not null;
select drip_test.report((
  select jsonb_agg(jsonb_build_object('organization_id', drip_test.org(), 'enrollment_id', t.enrollment_id, 'claim_token', t.claim_token)) from them as t
));
select drip_test.keep('gone', drip_test.contact(drip_test.org(), 'gone'));
select drip.erase_contact(drip_test.org(), drip_test.kept('gone'));

-- who is not written to any more after its fact
create temporary table facts (ordinal int, who text, stops boolean, call text) on commit drop;
insert into facts values
(1, 'c1', true, 'select drip.record_inbound($1, jsonb_build_object(''channel'', ''email'', ''from_address'', ''c1@example.net'', ''text'', ''Yes'',
  ''in_reply_to'', jsonb_build_array($2)))'),
(2, 'c2', true, 'select drip.record_inbound($1, jsonb_build_object(''channel'', ''email'', ''from_address'', ''c2@example.net'', ''text'', ''STOP'',
  ''in_reply_to'', jsonb_build_array($2)))'),
(3, 'c3', false, 'select drip.record_inbound($1, jsonb_build_object(''channel'', ''email'', ''from_address'', ''c3@example.net'', ''text'', ''Away'',
  ''in_reply_to'', jsonb_build_array($2), ''headers'', ''{"auto-submitted": "auto-replied"}''::jsonb))'),
(
  4,
  'c4',
  true,
  'select drip.record_provider_event($1,
    jsonb_build_object(''message_token'', $3, ''type'', ''bounced'', ''detail'', ''{"status": "5.1.1", "recipient": "c4@example.net"}''::jsonb))'
),
(5, 'c5', false, 'select drip.record_provider_event($1, jsonb_build_object(''message_token'', $3, ''type'', ''bounced'', ''reason'', ''soft''))'),
(6, 'c6', true, 'select drip.record_provider_event($1, jsonb_build_object(''message_token'', $3, ''type'', ''complained'',
  ''detail'', ''{"recipient": "c6@example.net"}''::jsonb))'),
(7, 'c7', true, 'select drip.record_provider_event($1, jsonb_build_object(''message_token'', $3, ''type'', ''unsubscribed'',
  ''detail'', ''{"recipient": "c7@example.net"}''::jsonb))'),
(8, 'c8', true, 'select drip.upsert_deal($1, ''{"external_id": "d8", "contact_external_id": "c8", "stage": "lost"}'')'),
(9, 'c9', true, 'select drip.upsert_deal($1, ''{"external_id": "d9", "contact_external_id": "c9", "stage": "won", "amount": 5, "currency": "EUR"}'')'),
(10, 'c10', false, 'select drip.upsert_contact($1, ''{"external_id": "c10", "tags": ["lead"]}'')'),
(
  11,
  'c11',
  false,
  'select drip.record_provider_event($1, jsonb_build_object(''message_token'', $3, ''type'', ''opened'', ''detail'', ''{"user_agent": "x"}''::jsonb))'
),
(12, 'c12', false, 'select drip.record_open($4, ''x'', ''192.0.2.1'')'),
(13, 'c12', false, 'select drip.record_click($4, 1, ''x'', ''192.0.2.1'')'),
(14, 'c13', true, 'select drip.record_inbound($1, jsonb_build_object(''channel'', ''email'', ''from_address'', ''c13@example.net'', ''text'', '''',
  ''to_address'', ''leave@sender.example'', ''subject'', ''unsubscribe '' || $4))'),
(15, 'c14', false, 'select drip.upsert_deal($1, ''{"external_id": "d14", "contact_external_id": "c14", "stage": "lead"}'')'),
(16, 'c14', false, 'select drip.record_provider_event($1, ''{"provider_message_id": "nobody", "type": "delivered"}'')'),
(17, 'c14', false, 'select drip.record_inbound($1, ''{"channel": "email", "from_address": "gone@example.net", "text": "Who?"}'')'),
(18, 'c10', false, 'select u.outcome from drip.upsert_contacts($1, ''[{"external_id": "c10", "first_name": "Bea", "tags": ["lead", "vip"]}]'') as u');

-- what reactions stand on, without what writes and claims call by themselves
create temporary table props on commit drop as
select distinct
  q.oid,
  q.proname::text as name
from pg_proc as p
cross join lateral regexp_matches(p.prosrc, 'drip_core\.(_[a-z_]+)\(', 'g') as m (parts)
inner join pg_proc as q on m.parts[1] = q.proname::text and q.pronamespace = 'drip_core'::regnamespace
where p.pronamespace = 'drip_core'::regnamespace
  and p.proname in (
    '_react_to_inbound', '_react_to_provider_event', '_react_to_deal', '_react_to_tags', '_record_hit', '_apply_inbound', '_apply_provider_event',
    '_deal_written', '_tags_added'
  )
  and q.proname not in ('_note_failure', '_note_inbound_failure')
  and not exists (
    select from pg_proc as w
    where w.pronamespace in ('drip'::regnamespace, 'drip_core'::regnamespace)
      and w.proname in (
        'record_inbound', 'record_provider_event', '_store_provider_event', 'upsert_deal', 'upsert_contact', 'upsert_contacts', '_store_contact'
      )
      and w.prosrc ~ ('drip_core\.' || q.proname || '\(')
  );
select cmp_ok((select count(*) from props), '>', 20::bigint, 'there is much to break');

create temporary table findings (name text, finding text) on commit drop;
create function pg_temp.try(p_name text, p_oid oid)
returns text[]
language plpgsql
as $$
declare
  v_fact record;
  v_problems text[] := '{}';
  v_failures bigint;
  v_claimed text;
begin
  begin
    if p_oid is not null then
      execute format('alter function %s rename to gone', p_oid::regprocedure);
    end if;
    for v_fact in select f.who, f.call, t.message_id, t.message_token, t.link_token from facts as f join them as t using (who) order by f.ordinal loop
      begin
        execute v_fact.call using drip_test.org(), v_fact.message_id, v_fact.message_token, v_fact.link_token;
      exception
        when others then
          v_problems := v_problems || format('%s did not land: %s', v_fact.call, sqlerrm);
      end;
    end loop;
    if p_oid is not null then
      execute format('alter function drip_core.gone(%s) rename to %I', pg_get_function_identity_arguments(p_oid), p_name);
    end if;
    if (select count(*) from drip_core.inbound_messages as i where i.organization_id = drip_test.org()) <> 5
      or (select count(*) from drip_core.provider_events as p where p.organization_id = drip_test.org() and p.type <> 'sent') <> 6
      or (select count(*) from drip_core.deals as d where d.organization_id = drip_test.org()) <> 3
      or (select count(*) from drip_core.contact_tags as t where t.organization_id = drip_test.org()) <> 2
    then
      v_problems := v_problems || 'rows are missing'::text;
    end if;
    select count(*) into v_failures from drip_report.reaction_failures as f where f.organization_id = drip_test.org() and f.resolved_at is null;
    v_problems := v_problems || format('failures: %s', v_failures > 0);
    perform drip_test.at(drip_core.now() + interval '31 days');
    select string_agg(c.to_address, ' ' order by c.to_address)
    into v_claimed
    from drip.claim(500, organization_id => drip_test.org()) as c
    join facts as f on f.who || '@example.net' = c.to_address
    where f.stops;
    v_problems := v_problems || format('claimed: %s', v_claimed);
    raise exception sqlstate 'ZZ001' using message = to_jsonb(v_problems)::text;
  exception
    when sqlstate 'ZZ001' then
      return array(select jsonb_array_elements_text(sqlerrm::jsonb));
  end;
end;
$$;
select is(pg_temp.try('nothing', null), array['failures: f', 'claimed: '], 'with nothing broken nothing fails, and the claim leaves all of them alone');
insert into findings
select
  p.name,
  unnest(pg_temp.try(p.name, p.oid))
from props as p
order by p.name;
select is(
  (
    select string_agg(f.name || ': ' || f.finding, e'\n' order by f.name) from findings as f
    where f.finding !~ '^(failures|claimed): '
      -- a link whose token nobody can read leads nowhere
      and not (f.name = '_read_token' and f.finding ~ 'drip.record_click')
  ), null, 'H5: whatever is broken, each write lands'
);
select is(
  (
    select string_agg(f.name, ' ' order by f.name) from findings as f
    where f.finding = 'failures: f'
  ), '_judge_hits', 'H5: and that something failed is visible; a hit that is not judged keeps nothing back, the log of the server has it'
);
select is(
  (
    select string_agg(f.name || ': ' || f.finding, e'\n' order by f.name) from findings as f
    where f.finding ~ '^claimed: .'
  ), null, 'L5: nobody who is to be left alone is written to at the next claim'
);
select drip_test.no_violations();
select * from finish();
rollback;
