-- exit_on, goal and enroll_on in the same transaction as the write; first exit reason kept; conversions with value and window.
begin;
select plan(30);
select drip_test.organization('A');
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'sales', 3, '{"exit_on": {"deal_created": true, "deal_stages": ["lost"]}}');
select
  drip_test.email_sequence(
    drip_test.org(), 'winning', 3, '{"goal": {"deal_stages": ["won"], "within": "30 days"}, "exit_on": {"deal_stages": ["won", "lost"]}}'
  );
select drip_test.email_sequence(drip_test.org(), 'welcome', 3, '{"enroll_on": [{"tag_added": "lead"}, {"deal_stage": "qualified"}]}');
select drip_test.email_sequence(drip_test.org(), 'idle', 3, '{"enroll_on": [{"tag_added": "lead"}]}');
select count(*) from drip.set_sequence_status(drip_test.org(), 'idle', 'paused');
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann'));
select drip_test.keep('bob', drip_test.contact(drip_test.org(), 'bob'));
create function pg_temp.enrollments(contact_id bigint)
returns text
language sql
as $$
  select coalesce(string_agg(concat_ws('/', q.key, e.status, e.status_reason, e.source), ' ' order by e.id), '')
  from drip_core.enrollments as e
  join drip_core.sequences as q on q.organization_id = e.organization_id and q.id = e.sequence_id
  where e.organization_id = drip_test.org() and e.contact_id = enrollments.contact_id
$$;

-- exits
select drip_test.keep('sales', (drip_test.enrolled(drip_test.org(), 'sales', array[drip_test.kept('ann')], clock_timestamp() + interval '30 days'))[1]);
select drip_test.keep('bobs', (drip_test.enrolled(drip_test.org(), 'sales', array[drip_test.kept('bob')]))[1]);
select drip.upsert_deal(drip_test.org(), '{"external_id": "d1", "contact_external_id": "ann", "stage": "new", "amount": "100.50", "currency": "eur"}');
select is(drip_test.state(drip_test.org(), drip_test.kept('sales')), 'exited/deal_created', 'X9: a deal ends it, in the middle of a delay of 30 days');
select is(drip_test.state(drip_test.org(), drip_test.kept('bobs')), 'active/-', 'nobody else''s');
select drip.upsert_deal(drip_test.org(), '{"external_id": "d1", "stage": "lost"}');
select is(drip_test.state(drip_test.org(), drip_test.kept('sales')), 'exited/deal_created', 'the first reason stays');
select drip.upsert_deal(drip_test.org(), '{"external_id": "b1", "contact_external_id": "bob", "stage": "lost"}');
select is(drip_test.state(drip_test.org(), drip_test.kept('bobs')), 'exited/deal_stage', 'a stage reached says more than a deal made');

-- a goal, its conversion and its value
select drip_test.keep('winning', (drip_test.enrolled(drip_test.org(), 'winning', array[drip_test.kept('ann')]))[1]);
select drip_test.keep('unsent', (drip_test.enrolled(drip_test.org(), 'winning', array[drip_test.kept('bob')], clock_timestamp() + interval '10 days'))[1]);
select is(drip_test.settle(), '{"advanced": 1}', 'the first message');
select drip.upsert_deal(drip_test.org(), '{"external_id": "d1", "name": "renamed", "amount": "99"}');
select is(drip_test.state(drip_test.org(), drip_test.kept('winning')), 'active/-', 'another name is no stage');
select drip.upsert_deal(drip_test.org(), '{"external_id": "d1", "stage": "won", "amount": "120"}');
select is(drip_test.state(drip_test.org(), drip_test.kept('winning')), 'exited/goal_reached', 'G6: the goal ends it, and is said before a mere exit');
select is(
  (
    select concat_ws(' ', s.key, e.channel, e.reason, e.data ->> 'amount', e.data ->> 'currency', e.data ->> 'stage')
    from drip_core.events as e
    inner join drip_core.steps as s on e.organization_id = s.organization_id and e.step_id = s.id
    where e.organization_id = drip_test.org() and e.enrollment_id = drip_test.kept('winning') and e.type = 'converted'
  ),
  's1 email goal_reached 120 EUR won', 'G6: the conversion has its value and the message that it follows'
);
select is(drip_test.events(drip_test.org(), drip_test.kept('winning')), 'enrolled sent converted exited', 'G6: in this order');
select drip.upsert_deal(drip_test.org(), '{"external_id": "d1", "stage": "open"}');
select drip.upsert_deal(drip_test.org(), '{"external_id": "d1", "stage": "won"}');
select is(drip_test.events(drip_test.org(), drip_test.kept('winning')), 'enrolled sent converted exited', 'G6: a deal converts once');
select drip.upsert_deal(drip_test.org(), '{"external_id": "b1", "stage": "won"}');
select is(drip_test.state(drip_test.org(), drip_test.kept('unsent')), 'exited/goal_reached', 'who reached the goal before any message gets none');
select is(drip_test.events(drip_test.org(), drip_test.kept('unsent')), 'enrolled exited', 'G6: and has not converted by it');
select is(
  (
    select o.conversion_rate from drip_report.sequence_overview as o
    where o.organization_id = drip_test.org() and o.sequence_key = 'winning'
  ), 1.0,
  'G6: conversions are counted of those contacted'
);

-- after the end, within the window and past it
select set_config('drip_test.more', drip_test.contacts(drip_test.org(), 2, 'm')::text, true);
select set_config('drip_test.them', drip_test.enrolled(drip_test.org(), 'winning', current_setting('drip_test.more')::bigint[])::text, true);
select drip_test.settle();
select drip_test.at(clock_timestamp() + interval '1 day 1 hour');
select drip_test.settle();
select drip_test.at(clock_timestamp() + interval '3 days');
select is(drip_test.settle(), '{"completed": 2}', 'both are through');
select drip_test.at(clock_timestamp() + interval '20 days');
select drip.upsert_deal(drip_test.org(), '{"external_id": "m1d", "contact_external_id": "m1", "stage": "won"}');
select drip_test.at(clock_timestamp() + interval '34 days');
select drip.upsert_deal(drip_test.org(), '{"external_id": "m2d", "contact_external_id": "m2", "stage": "won"}');
select is(
  drip_test.events(drip_test.org(), (current_setting('drip_test.them')::bigint[])[1]), 'enrolled sent sent sent completed converted',
  'G6: a goal after the end counts within its time'
);
select is(
  drip_test.events(drip_test.org(), (current_setting('drip_test.them')::bigint[])[2]), 'enrolled sent sent sent completed', 'G6: past it, it does not'
);

-- an enrollment of a deal heeds that deal only
select drip_test.at(null);
select drip_test.keep('own', drip.upsert_deal(drip_test.org(), '{"external_id": "own", "contact_external_id": "bob", "stage": "new"}'));
select drip_test.keep('mate', drip_test.contact(drip_test.org(), 'mate'));
select drip_test.keep('mates', drip.upsert_deal(drip_test.org(), '{"external_id": "mates", "contact_external_id": "mate", "stage": "new"}'));
select drip_test.keep('dealt', e.enrollment_id) from drip.enroll(drip_test.org(), 'sales', drip_test.kept('mate'), drip_test.kept('mates')) as e;
select drip.upsert_deal(drip_test.org(), '{"external_id": "else", "contact_external_id": "mate", "stage": "lost"}');
select is(drip_test.state(drip_test.org(), drip_test.kept('dealt')), 'active/-', 'another deal is not its business');
select drip.upsert_deal(drip_test.org(), '{"external_id": "mates", "stage": "lost"}');
select is(drip_test.state(drip_test.org(), drip_test.kept('dealt')), 'exited/deal_stage', 'its own is');

-- who gets a tag, or a deal a stage, is enrolled
select drip_test.keep('tess', drip_test.contact(drip_test.org(), 'tess', '{"tags": ["lead", "vip"]}'));
select is(pg_temp.enrollments(drip_test.kept('tess')), 'welcome/active/tag', 'a new contact with the tag is enrolled, in what is active');
select drip_test.contact(drip_test.org(), 'tess', '{"tags": ["lead"]}');
select is(pg_temp.enrollments(drip_test.kept('tess')), 'welcome/active/tag', 'a tag that was there is not new');
select drip_test.keep('una', drip_test.contact(drip_test.org(), 'una'));
select drip_test.contact(drip_test.org(), 'una', '{"tags": ["lead"]}');
select is(pg_temp.enrollments(drip_test.kept('una')), 'welcome/active/tag', 'one that gets it later, too');
select is(
  (
    select count(*)
    from drip.upsert_contacts(drip_test.org(), '[
      {"external_id": "i1", "email": "i1@example.net", "tags": ["lead"]}, {"external_id": "i2", "email": "nonsense", "tags": ["lead"]},
      {"external_id": "i3", "email": "i3@example.net", "tags": ["x"]}, {"external_id": "i4", "email": "i4@example.net", "tags": ["lead"]}]') as u
    where u.outcome = 'created'
  ),
  3::bigint, 'an import lands'
);
select is(
  (
    select string_agg(c.external_id, ' ' order by c.external_id)
    from drip_core.enrollments as e
    inner join drip_core.contacts as c on e.organization_id = c.organization_id and e.contact_id = c.id
    where e.organization_id = drip_test.org() and e.source = 'tag' and c.external_id like 'i%'
  ),
  'i1 i4', 'and those of it that have the tag are enrolled'
);
select drip_test.keep('quinn', drip_test.contact(drip_test.org(), 'quinn'));
select drip_test.keep('q', drip.upsert_deal(drip_test.org(), '{"external_id": "q", "contact_external_id": "quinn", "stage": "qualified"}'));
select is(pg_temp.enrollments(drip_test.kept('quinn')), 'welcome/active/deal', 'a deal that reaches the stage enrolls its contact');
select is(
  (
    select e.deal_id from drip_core.enrollments as e
    where e.organization_id = drip_test.org() and e.contact_id = drip_test.kept('quinn')
  ), drip_test.kept('q'
  ),
  'with that deal'
);
select is((
  select count(*) from drip_core.reaction_failures as f
  where f.organization_id = drip_test.org()
), 0::bigint, 'no reaction failed');

-- the claim reads the deals itself: what raced with the enrollment
select drip_test.keep('racer', drip_test.contact(drip_test.org(), 'racer'));
select drip_test.keep('race', (drip_test.enrolled(drip_test.org(), 'sales', array[drip_test.kept('racer')]))[1]);
insert into drip_core.deals (organization_id, contact_id, stage) values (drip_test.org(), drip_test.kept('racer'), 'new');
select drip_test.settle();
select is(drip_test.state(drip_test.org(), drip_test.kept('race')), 'exited/deal_created', 'X9: a deal that no reaction saw ends it at the claim');

select results_eq(
  $$
    select p.path || ' ' || p.code
    from drip.validate_sequence(drip_test.org(), drip_test.email_definition('x', 1, '{
      "exit_on": {"deal_created": "yes", "deal_stages": "won", "deals": 1}, "goal": {"within": "tomorrow"}, "enroll_on": [{"tag": "x"}, {"deal_stage": ""}, {}]}')) as p
    order by 1 $$,
  array[
    'enroll_on[0].tag unknown_key', 'enroll_on[1].deal_stage invalid', 'enroll_on[2] invalid', 'exit_on.deal_created invalid', 'exit_on.deal_stages invalid',
    'exit_on.deals unknown_key', 'goal.deal_stages required', 'goal.within invalid'
  ],
  'what cannot be meant is refused with its place'
);
select is(
  (drip.get_sequence(drip_test.org(), 'winning') -> 'goal') || (drip.get_sequence(drip_test.org(), 'winning') -> 'exit_on'),
  '{"deal_stages": ["won", "lost"], "within": "30 days"}', 'a definition reads back as it was given'
);
select drip_test.no_violations();
select * from finish();
rollback;
