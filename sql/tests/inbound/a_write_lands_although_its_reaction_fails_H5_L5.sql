-- Campaign logic made to fail on purpose: the write lands, the failure is visible, the claim heeds it, the tick makes up for it.
begin;
select plan(34);
select drip_test.organization('A');
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'exiting', 3, '{"on_reply": "exit", "exit_on": {"deal_stages": ["won"]}}');
select drip_test.email_sequence(drip_test.org(), 'pausing', 3);
select drip_test.email_sequence(drip_test.org(), 'going', 3, '{"on_reply": "continue"}');
select drip_test.email_sequence(drip_test.org(), 'welcome', 3, '{"enroll_on": [{"tag_added": "lead"}]}');
select set_config('drip_test.ids', drip_test.contacts(drip_test.org(), 9, 'c')::text, true);
create function pg_temp.contact(n int)
returns bigint
language sql
as $$ select (current_setting('drip_test.ids')::bigint[])[n] $$;
create temporary table them (n int, key text, id bigint) on commit drop;
insert into them
select
  g.n,
  g.key,
  (drip_test.enrolled(drip_test.org(), g.key, array[pg_temp.contact(g.n)]))[1]
from (
  select
    n,
    'exiting' as key
  from generate_series(1, 7) as n
  union all
  select
    1,
    'pausing'
  union all
  select
    1,
    'going'
) as g;
create temporary table flown on commit drop as select * from drip.claim(500, organization_id => drip_test.org());
select drip_test.report((
  select jsonb_agg(jsonb_build_object('organization_id', f.organization_id, 'enrollment_id', f.enrollment_id, 'claim_token', f.claim_token)) from flown as f
));
create function pg_temp.state(n int, key text default 'exiting')
returns text
language sql
as $$ select drip_test.state(drip_test.org(), t.id) from them as t where t.n = state.n and t.key = state.key $$;
create function pg_temp.message_id(n int, key text default 'exiting')
returns text
language sql
as $$ select f.headers ->> 'Message-ID' from flown as f join them as t on t.id = f.enrollment_id where t.n = message_id.n and t.key = message_id.key $$;
create function pg_temp.token(n int)
returns text
language sql
as $$ select f.message_token from flown as f join them as t on t.id = f.enrollment_id where t.n = token.n and t.key = 'exiting' $$;
create function pg_temp.mail(n int, body text, key text default 'exiting')
returns bigint
language sql
as $$
  select drip.record_inbound(drip_test.org(), jsonb_build_object(
    'channel', 'email', 'from_address', 'c' || mail.n || '@example.net', 'text', mail.body,
    'headers', jsonb_build_object('In-Reply-To', pg_temp.message_id(mail.n, mail.key))))
$$;

-- break what the reactions stand on, each at another place
create temporary table sources on commit drop as
select
  p.oid,
  pg_get_functiondef(p.oid) as definition
from pg_proc as p
where p.pronamespace = 'drip_core'::regnamespace and p.proname in ('_change_status', '_withdraw_consent', '_enroll_contacts', '_find_answered', '_read_token');
create function pg_temp.break(name text)
returns void
language plpgsql
as $$
begin
  execute (
    select regexp_replace(s.definition, '\mAS \$function\$.*', E'AS $function$ begin raise exception ''broken on purpose'' using errcode = ''XX001''; end; $function$')
    from sources as s join pg_proc as p on p.oid = s.oid where p.proname = break.name
  );
end;
$$;
create function pg_temp.mend()
returns void
language plpgsql
as $$
declare
  v_definition text;
begin
  for v_definition in select s.definition from sources as s loop
    execute v_definition;
  end loop;
end;
$$;
select pg_temp.break(n) from unnest(array['_change_status', '_withdraw_consent', '_enroll_contacts']) as n;

select isnt(pg_temp.mail(1, 'Yes please'), null, 'H5: a reply lands');
select isnt(pg_temp.mail(2, 'STOP'), null, 'H5: a stop word lands');
select is(
  drip.record_provider_event(drip_test.org(), jsonb_build_object('message_token', pg_temp.token(3), 'type', 'bounced')), 'pending', 'H5: a bounce lands'
);
select is(
  drip.record_provider_event(drip_test.org(), jsonb_build_object('message_token', pg_temp.token(4), 'type', 'complained')), 'pending', 'H5: a complaint'
);
select
  is(
    drip.record_provider_event(drip_test.org(), jsonb_build_object('message_token', pg_temp.token(5), 'type', 'unsubscribed')), 'pending', 'H5: an unsubscribe'
  );
select isnt(drip.upsert_deal(drip_test.org(), '{"external_id": "d6", "contact_external_id": "c6", "stage": "won"}'), null, 'H5: a deal lands');
-- the stage moves on: what was reached is not forgotten
select isnt(drip.upsert_deal(drip_test.org(), '{"external_id": "d6", "stage": "paid"}'), null, 'H5: and changes');
select isnt(drip_test.contact(drip_test.org(), 'c8', '{"tags": ["lead"]}'), null, 'H5: a tag lands');
select pg_temp.mend();
select pg_temp.break('_find_answered');
select isnt(pg_temp.mail(7, 'Hello'), null, 'H5: a reply whose message cannot be looked up lands');
select is(
  (
    select string_agg(concat_ws('/', f.kind, f.reason, f.error_code), ' ' order by f.failure_id) from drip_report.reaction_failures as f
    where f.organization_id = drip_test.org()
  ),
  'inbound/replied/XX001 inbound/unsubscribed/XX001 provider_event/bounced/XX001 provider_event/complained/XX001 provider_event/unsubscribed/XX001 '
  || 'deal/deal_stage/XX001 tag/XX001 inbound/replied/XX001',
  'H5: each failure is visible'
);
select is(
  (
    select count(*) from drip_core.inbound_messages as i
    where i.organization_id = drip_test.org() and i.state = 'pending'
  ),
  3::bigint,
  'H5: with the rows as they came'
);
select is(pg_temp.state(1) || ' ' || pg_temp.state(3) || ' ' || pg_temp.state(6), 'active/- active/- active/-', 'nothing has been decided yet');

-- the claim, with what is broken still broken
select pg_temp.break(n) from unnest(array['_change_status', '_withdraw_consent', '_enroll_contacts']) as n;
select drip_test.at(clock_timestamp() + interval '1 day 1 hour');
select is(drip_test.settle(), '{"advanced": 2}', 'L5: at the next claim nothing leaves but what the reply does not concern');
select is(pg_temp.state(1), 'exited/replied', 'L5: the reply ended it');
select is(pg_temp.state(1, 'pausing'), 'active/-', 'of another sequence that it does not answer nothing ended');
select is(pg_temp.state(2), 'unsubscribed/unsubscribed', 'L5: so did the stop word');
select is(pg_temp.state(3), 'bounced/bounced', 'L5: the bounce');
select is(pg_temp.state(4), 'unsubscribed/complained', 'L5: the complaint');
select is(pg_temp.state(5), 'unsubscribed/unsubscribed', 'L5: the unsubscribe');
select is(pg_temp.state(6), 'exited/deal_stage', 'L5: the deal, whatever its stage is by now');
select is(pg_temp.state(7), 'exited/replied', 'L5: a reply whose message nobody could look up stops what it may have answered');

-- the tick
select is(drip.tick() ->> 'reactions_resolved', '1', 'while it is broken, the tick makes up only for the deal, of which nothing is left to do');
select is((
  select min(f.attempts) from drip_core.reaction_failures as f
  where f.organization_id = drip_test.org()
), 2, 'but has tried');
select pg_temp.mend();
select drip_test.at(drip_core.now() + interval '2 hours');
select is(drip.tick() ->> 'reactions_resolved', '7', 'H5: mended, the tick makes up for all of it');
select is(
  (
    select count(*) from drip_report.reaction_failures as f
    where f.organization_id = drip_test.org() and f.resolved_at is null
  ),
  0::bigint,
  'H5: nothing is left over'
);
select is(
  (
    select string_agg(r.outcome::text, ' ' order by n.n)
    from generate_series(2, 5) as n (n)
    cross join lateral drip.enroll(drip_test.org(), 'going', pg_temp.contact(n.n)) as r
  ),
  'opted_out bounced opted_out opted_out', 'H5: the suppressions are there'
);
select is(
  (
    select string_agg(v.type::text, ' ' order by v.type::text) from drip_core.events as v
    where v.organization_id = drip_test.org() and v.type in ('replied', 'complained') and v.enrollment_id is not null
  ),
  'complained replied replied replied', 'H5: so are the facts: two replies and a stop that was one'
);
select is(
  (
    select string_agg(concat_ws('/', q.key, e.source), ' ')
    from drip_core.enrollments as e
    inner join drip_core.sequences as q on e.organization_id = q.organization_id and e.sequence_id = q.id
    where e.organization_id = drip_test.org() and e.contact_id = pg_temp.contact(8)
  ),
  'welcome/tag', 'H5: and who got the tag is enrolled'
);
select is(pg_temp.state(1), 'exited/replied', 'what the claim had decided stays');
select is(drip.tick() ->> 'reactions_resolved', null, 'a repeat finds nothing');

-- even what says whose a fact is may be what fails
select pg_temp.break('_read_token');
select is(
  drip.record_provider_event(drip_test.org(), jsonb_build_object('message_token', pg_temp.token(1), 'type', 'complained')), 'pending',
  'H5: a report whose token cannot be read lands'
);
select isnt(pg_temp.mail(1, 'Hello again'), null, 'H5: so does a letter');
select pg_temp.mend();
select drip_test.at(drip_core.now() + interval '1 hour');
select is(drip.tick() ->> 'reactions_resolved', '2', 'H5: both are made up for');
select drip_test.no_violations();
select * from finish();
rollback;
