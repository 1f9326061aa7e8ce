-- Bounces and complaints over the band pause the lane with its reason; sample floor, thresholds per organization, resumed anew.
begin;
select plan(21);
select drip_test.organization('A', 'UTC', '{"guardrails": {"bounce_rate": 0.1, "complaint_rate": 0.05, "min_sent": 20, "days": 7}}');
select drip_test.just(drip_test.org());
select drip_test.keep('box', drip_test.mailbox(drip_test.org(), 'box'));
select drip_test.email_sequence(drip_test.org(), 'mails', 2);
create temporary table flown (n serial, message_token text) on commit drop;
create function pg_temp.send(n int, prefix text)
returns void
language plpgsql
as $$
declare
  v_claims drip.claimed_message[];
begin
  perform drip_test.enrolled(drip_test.org(), 'mails', drip_test.contacts(drip_test.org(), send.n, send.prefix));
  v_claims := array(select c from drip.claim(500, organization_id => drip_test.org()) as c);
  insert into flown (message_token) select c.message_token from unnest(v_claims) as c;
  perform drip.advance((
    select jsonb_agg(jsonb_build_object('organization_id', c.organization_id, 'enrollment_id', c.enrollment_id, 'claim_token', c.claim_token, 'outcome', 'sent'))
    from unnest(v_claims) as c));
end;
$$;
create function pg_temp.report(first int, last int, type text, reason text default null)
returns text
language sql
as $$
  select string_agg(distinct drip.record_provider_event(drip_test.org(), jsonb_strip_nulls(jsonb_build_object(
    'message_token', f.message_token, 'type', report.type, 'reason', report.reason))), ' ')
  from flown as f where f.n between report.first and report.last
$$;
create function pg_temp.lane()
returns text
language sql
as $$ select concat_ws('/', l.status, l.reason) from drip_report.lane_status as l where l.organization_id = drip_test.org() $$;
create function pg_temp.paused()
returns text
language sql
as $$ select coalesce(drip.tick() ->> 'senders_paused', '0') $$;

select drip_test.at('2026-11-24 09:10:00+00');
select pg_temp.send(10, 'a');
select is(pg_temp.report(1, 5, 'bounced', 'policy'), 'recorded', 'half of ten come back');
select is(pg_temp.paused() || ' ' || pg_temp.lane(), '0 active', 'that is no sample');
select pg_temp.send(40, 'b');
select is(pg_temp.paused() || ' ' || pg_temp.lane(), '0 active', 'five of fifty are within the band');
select is(pg_temp.report(6, 9, 'bounced', 'soft'), 'recorded', 'soft ones');
select is(pg_temp.paused() || ' ' || pg_temp.lane(), '0 active', 'do not count');
select is(pg_temp.report(1, 5, 'bounced', 'content'), 'recorded', 'the same messages again');
select is(pg_temp.paused() || ' ' || pg_temp.lane(), '0 active', 'count once');
select is(pg_temp.report(10, 10, 'bounced', 'hard'), 'recorded', 'a sixth');
select is(pg_temp.paused() || ' ' || pg_temp.lane(), '1 paused/bounced', 'is over the band: the lane is paused, with its reason');
select is(
  (
    select l.detail from drip_core.lanes as l
    where l.organization_id = drip_test.org()
  ),
  '6 of 50 messages since 2026-11-17 09:00 UTC came back (12.00 %, allowed are 10.00 %); drip.resume_lane lets it go on', 'and with the figures'
);
select drip_test.enrolled(drip_test.org(), 'mails', drip_test.contacts(drip_test.org(), 1, 'w'));
select is(drip_test.settle(), '{}', 'C2: what it has to send waits');
select is(pg_temp.paused(), '0', 'a repeat finds nothing');

select drip.resume_lane(drip_test.org(), drip_test.kept('box'));
select is(drip_test.settle(), '{"advanced": 1}', 'C2: and leaves once it is resumed');
select drip_test.at('2026-11-24 10:20:00+00');
select is(pg_temp.report(11, 12, 'bounced', 'policy') || ' ' || pg_temp.paused() || ' ' || pg_temp.lane(), 'recorded 0 active', 'what was before is past');
select pg_temp.send(30, 'c');
select is(pg_temp.report(60, 60, 'complained') || ' ' || pg_temp.paused() || ' ' || pg_temp.lane(), 'recorded 0 active', 'one complaint is no rate');
select
  is(
    pg_temp.report(61, 61, 'complained') || ' ' || pg_temp.paused() || ' ' || pg_temp.lane(), 'recorded 1 paused/complained', 'two of thirty are over the band'
  );
select drip.resume_lane(drip_test.org(), drip_test.kept('box'));

-- what a provider refuses at once counts as well
select drip_test.at('2026-11-25 09:00:00+00');
select drip_test.enrolled(drip_test.org(), 'mails', drip_test.contacts(drip_test.org(), 22, 'd'));
select is(drip_test.settle('rejected', extra => '{"reason": "invalid_address"}') ->> 'bounced', '22', 'a list that was bought');
select is(pg_temp.paused() || ' ' || pg_temp.lane(), '1 paused/bounced', 'pauses the sender');

-- a null rate is not watched
select drip.update_organization(drip_test.org(), '{"guardrails": {"bounce_rate": null, "min_sent": 20}}');
select drip.resume_lane(drip_test.org(), drip_test.kept('box'));
select drip_test.at('2026-11-25 11:00:00+00');
select drip_test.enrolled(drip_test.org(), 'mails', drip_test.contacts(drip_test.org(), 22, 'e'));
select drip_test.settle('rejected', extra => '{"reason": "invalid_address"}');
select is(pg_temp.paused() || ' ' || pg_temp.lane(), '0 active', 'a null rate is not watched');
select matches(
  drip_test.error_of($$ select drip.update_organization(drip_test.org(), '{"guardrails": {"bounce_rate": 5}}') $$),
  '^PT422 . invalid settings . settings.guardrails', 'a rate is a share'
);
select drip_test.no_violations();
select * from finish();
rollback;
