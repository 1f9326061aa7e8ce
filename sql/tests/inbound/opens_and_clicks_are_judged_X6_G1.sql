-- Links numbered at publish, rewritten where the organization says so, stored addresses only; hits judged, and judged anew.
begin;
select plan(40);
select drip_test.organization('A', 'UTC', '{"tracking": true}');
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'box');
select count(*) from drip.apply_sequence(drip_test.org(), jsonb_build_object('key', 'mails', 'steps', jsonb_build_array(jsonb_build_object(
    'key', 's1', 'channel', 'email', 'subject', 'Hi 100%', 'text', 'Plain https://a.example/x', 'html',
    '<html><body><p>100% for {{ contact.first_name | default: ''you'' }}</p><a href="https://a.example/x?a=1&amp;b=2">one</a> '
    || '<A class="x" HREF=''http://b.example''>two</A> <a href="https://a.example/x?a=1&amp;b=2">one again</a> <a href="mailto:x@y.example">m</a> '
    || '<a href="#top">t</a> <a href="https://c.example/?u={{ contact.external_id }}">mine</a> <a href="javascript:alert(1)">j</a> '
    || '<a href="https://bank.example@evil.example/">e</a> <a href="{{ unsubscribe_url }}">out</a> <a href="https://d.example/three">three</a></body></html>'
  ))));
create temporary table flown (
  name text, enrollment_id bigint, link_token text, message_token text, html text, text_body text, claim_token bigint
) on commit drop;
create function pg_temp.send(external_id text)
returns void
language plpgsql
as $$
begin
  perform drip_test.enrolled(drip_test.org(), 'mails', array[drip_test.contact(drip_test.org(), send.external_id)]);
  insert into flown
  select send.external_id, c.enrollment_id, c.link_token, c.message_token, c.html_body, c.text_body, c.claim_token
  from drip.claim(organization_id => drip_test.org()) as c;
end;
$$;
create function pg_temp.land(name text, outcome text default 'sent')
returns text
language sql
as $$
  select drip_test.report(jsonb_build_array(jsonb_build_object(
    'organization_id', drip_test.org(), 'enrollment_id', f.enrollment_id, 'claim_token', f.claim_token)), land.outcome)
  from flown as f where f.name = land.name
$$;
create function pg_temp.link(name text)
returns text
language sql
as $$ select f.link_token from flown as f where f.name = link.name $$;
create function pg_temp.hits(name text)
returns text
language sql
as $$
  select string_agg(concat_ws('/', e.type, e.data ->> 'link_no', case when e.is_machine then 'machine' else 'human' end), ' ' order by e.id)
  from drip_core.events as e
  join flown as f on f.enrollment_id = e.enrollment_id and f.name = hits.name
  where e.organization_id = drip_test.org() and e.type in ('opened', 'clicked')
$$;
create function pg_temp.browser()
returns text
language sql
as $$ select 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36'::text $$;

select drip_test.at('2026-11-24 09:00:00+00');
select pg_temp.send('ann');
select results_eq(
  $$ select l.link_no, l.url from drip_core.step_links as l where l.organization_id = drip_test.org() order by 1 $$,
  $$ values (1, 'https://a.example/x?a=1&b=2'), (2, 'http://b.example'), (3, 'https://d.example/three') $$,
  'links to web pages are numbered, each once; no fields, no scripts, no user names'
);
select is(
  f.html,
  '<html><body><p>100% for Ann</p><a href="https://mail.example.com/c/'
  || f.link_token
  || '/1">one</a> <A class="x" HREF="https://mail.example.com/c/'
  || f.link_token
  || '/2">two</A> <a href="https://mail.example.com/c/' || f.link_token || '/1">one again</a> <a href="mailto:x@y.example">m</a> <a href="#top">t</a> '
  || '<a href="https://c.example/?u=ann">mine</a> <a href="javascript:alert(1)">j</a> <a href="https://bank.example@evil.example/">e</a> '
  || '<a href="https://mail.example.com/u/' || f.link_token || '">out</a> <a href="https://mail.example.com/c/' || f.link_token || '/3">three</a>'
  || '<img src="https://mail.example.com/o/' || f.link_token || '.gif" alt="" width="1" height="1" style="border:0"></body></html>',
  'they lead over our pages, everything else stays as it is; the pixel is at the end'
) from flown as f;
select is(drip_test.without_footer(f.text_body), 'Plain https://a.example/x', 'a text stays as it is') from flown as f;
select is(pg_temp.land('ann'), 'completed', 'sent');
select is(drip.get_message(drip_test.org(), f.enrollment_id, 's1') ->> 'html_body', f.html, 'X8: the message as it was sent reproduces') from flown as f;

-- a person
select drip_test.at('2026-11-24 09:05:00+00');
set local role drip_public;
select
  set_config('drip_test.org_id', current_setting('drip.organization_id'), true),
  set_config('drip.organization_id', '', true);
reset role;
grant select on flown to drip_public;
set local role drip_public;
select is(drip.record_open(pg_temp.link('ann'), pg_temp.browser(), '198.51.100.7')::text, '', 'an open');
select is(drip.record_click(pg_temp.link('ann'), 1, pg_temp.browser(), '198.51.100.7'), 'https://a.example/x?a=1&b=2', 'a click leads where the body led');
select is(
  drip.click_target(pg_temp.link('ann'), 2) || coalesce(drip.click_target(pg_temp.link('ann'), 4), ' none') || coalesce(drip.click_target('x', 1), ' none'),
  'http://b.example none none', 'X6: where a link leads can be asked without following it'
);
select is(drip.record_click(pg_temp.link('ann'), 4, pg_temp.browser(), null), null, 'there is no fourth link');
select is(drip.record_click(repeat('ab', 33), 1, pg_temp.browser(), null), null, 'nor one of a token that was never made');
select is(drip.record_click((select f.message_token from flown as f), 1, pg_temp.browser(), null), null, 'a message token is no link token');
select is(drip.record_open('nonsense', null, null)::text, '', 'a pixel never fails');
reset role;
select drip_test.act_for(current_setting('drip_test.org_id')::bigint);
select is(pg_temp.hits('ann'), 'opened/human clicked/1/human', 'G1: both a person''s');

-- a crawler that follows every link, as browsers say who they are
select pg_temp.send('bob');
select pg_temp.land('bob');
select drip_test.at('2026-11-24 09:07:00+00');
select drip.record_open(pg_temp.link('bob'), pg_temp.browser(), '192.0.2.1');
select drip.record_click(pg_temp.link('bob'), 1, pg_temp.browser(), '192.0.2.1') is not null;
select is(pg_temp.hits('bob'), 'opened/human clicked/1/human', 'X6: one click is anybody''s');
select drip.record_click(pg_temp.link('bob'), 2, pg_temp.browser(), '192.0.2.2') is not null;
select drip_test.at('2026-11-24 09:07:01+00');
select drip.record_click(pg_temp.link('bob'), 3, pg_temp.browser(), '192.0.2.3') is not null;
select
  is(
    pg_temp.hits('bob'),
    'opened/machine clicked/1/machine clicked/2/machine clicked/3/machine',
    'X6: three links in two seconds are a machine''s, and what it did before'
  );
select drip_test.at('2026-11-24 11:00:00+00');
select drip.record_open(pg_temp.link('bob'), pg_temp.browser(), '198.51.100.8');
select is(pg_temp.hits('bob'), 'opened/machine clicked/1/machine clicked/2/machine clicked/3/machine opened/human', 'G1: the person comes later');
select is(drip_test.state(drip_test.org(), f.enrollment_id), 'completed/-', 'X6: no hit changes an enrollment') from flown as f
where f.name = 'bob';

-- known agents, Apple, too fast
select pg_temp.send('carl');
select pg_temp.land('carl');
select drip.record_click(pg_temp.link('carl'), 1, pg_temp.browser(), '203.0.113.1') is not null;
select is(pg_temp.hits('carl'), 'clicked/1/machine', 'X6: nobody clicks in the second of the sending');
select drip_test.at('2026-11-24 11:10:00+00');
select drip.record_open(pg_temp.link('carl'), 'Mozilla/5.0', '198.51.100.9');
select drip.record_open(pg_temp.link('carl'), pg_temp.browser(), '17.58.1.1');
select drip.record_open(pg_temp.link('carl'), 'Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)', '66.249.84.1');
select drip.record_click(pg_temp.link('carl'), 2, 'python-requests/2.32', '203.0.113.9') is not null;
select drip.record_click(pg_temp.link('carl'), 3, null, '203.0.113.10') is not null;
select is(
  pg_temp.hits('carl'), 'clicked/1/machine opened/machine opened/machine opened/human clicked/2/machine clicked/3/machine',
  'G1: Apple''s prefetch and scripts are machines, Gmail''s proxy opens for a person'
);
select results_eq(
  $$
    select h.judged_by
    from drip_core.tracking_hits as h
    join flown as f on f.enrollment_id = h.enrollment_id and f.name = 'carl'
    where h.organization_id = drip_test.org()
    order by h.id $$,
  array['too_fast', 'agent', 'apple', null, 'agent', 'agent'], 'each with the rule that says so'
);
select results_eq(
  $$
    select o.messages_sent, round(o.open_rate, 2), round(o.click_rate, 2), o.machine_opens, o.machine_clicks
    from drip_report.sequence_overview as o where o.organization_id = drip_test.org() $$,
  $$ values (3::bigint, 1.00, 0.33, 2::bigint, 2::bigint) $$, 'G1: the report keeps them apart, once per message'
);

-- judged anew after the rules have changed
insert into drip_core.machine_agents (pattern, note) values ('GoogleImageProxy', 'for this test');
select is(drip.classify_hits(drip_test.org()), 1, 'judged anew: one verdict changes');
select is(pg_temp.hits('carl'), 'clicked/1/machine opened/machine opened/machine opened/machine clicked/2/machine clicked/3/machine', 'and its event with it');
select is(drip.classify_hits(drip_test.org()), 0, 'a repeat changes nothing');
select matches(drip_test.error_of('select drip.classify_hits(drip_test.org() + 1000000)'), '^PT404', 'H2: no other organization''s');

-- early, held, bounded
select pg_temp.send('dora');
select drip_test.at('2026-11-24 11:20:00+00');
select drip.record_open(pg_temp.link('dora'), pg_temp.browser(), '198.51.100.11');
select is(pg_temp.hits('dora'), 'opened/human', 'an open before its runner has reported');
select drip_test.at('2026-11-24 11:30:00+00');
select count(*) from drip.tick();
select drip_test.at('2026-11-24 11:40:00+00');
select count(*) from drip.tick();
select results_eq(
  $$ select drip_test.events(drip_test.org(), f.enrollment_id) from flown as f where f.name = 'dora' $$,
  array['enrolled opened held sent completed'], 'X1: proves that it was sent, should the runner never say so'
);
select pg_temp.send('emil');
select is(pg_temp.land('emil', 'unknown'), 'held', 'nobody knows');
select drip.record_click(pg_temp.link('emil'), 1, pg_temp.browser(), '198.51.100.12') is not null;
select is(drip_test.state(drip_test.org(), f.enrollment_id), 'completed/-', 'who clicks has got it') from flown as f
where f.name = 'emil';
select count(drip.record_open(pg_temp.link('emil'), pg_temp.browser(), null)) from generate_series(1, 210);
select is(
  (
    select count(*) from drip_core.tracking_hits as h inner join flown as f on h.enrollment_id = f.enrollment_id and f.name = 'emil'
    where h.organization_id = drip_test.org()
  ),
  200::bigint, 'of one message 200 hits are kept'
);
select is(drip.record_click(pg_temp.link('emil'), 2, pg_temp.browser(), null), 'http://b.example', 'and its links work on');

-- erased and purged: the links work for ever, nothing is written down of an erased person
select drip.erase_contact(drip_test.org(), e.contact_id)
from drip_core.enrollments as e inner join flown as f on e.id = f.enrollment_id and f.name = 'ann'
where e.organization_id = drip_test.org();
select is(drip.record_click(pg_temp.link('ann'), 2, pg_temp.browser(), '198.51.100.7'), 'http://b.example', 'the links of an erased person lead on');
select is(
  (
    select count(*) from drip_core.tracking_hits as h inner join flown as f on h.enrollment_id = f.enrollment_id and f.name = 'ann'
    where h.organization_id = drip_test.org() and (h.ip is not null or h.user_agent is not null)
  ),
  0::bigint, 'X7: nobody can be read from its hits'
);
select is(pg_temp.hits('ann'), 'opened/human clicked/1/human clicked/2/human', 'it is counted');

-- off
select drip.update_organization(drip_test.org(), '{"tracking": false}');
select pg_temp.send('finn');
select unalike(f.html, '%/c/%', 'without tracking links stay as they are') from flown as f
where f.name = 'finn';
select unalike(f.html, '%.gif%', 'and there is no pixel') from flown as f
where f.name = 'finn';
select is(pg_temp.land('finn'), 'completed', 'sent');
select matches(
  drip_test.error_of($$ select drip.update_organization(drip_test.org(), '{"tracking": "yes"}') $$),
  '^PT422 . invalid settings . settings.tracking: true or false is needed', 'tracking is true or false'
);
select is((
  select count(*) from drip_core.reaction_failures as f
  where f.organization_id = drip_test.org()
), 0::bigint, 'no reaction failed');
select drip_test.no_violations();
select * from finish();
rollback;
