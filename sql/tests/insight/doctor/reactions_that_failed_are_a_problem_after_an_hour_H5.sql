begin;
select plan(5);
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.keep('box', drip_test.mailbox(drip_test.org(), 'sales'));
create function pg_temp.found(p_name text) returns text language sql as $$
  select d.verdict || ': ' || d.detail from drip.doctor() as d where d.check_name = p_name;
$$;
select is(pg_temp.found('reactions'), 'ok: every fact that came in has been reacted to', 'nothing failed');
select drip_core._note_failure(drip_test.org(), 'deal', 1, null, null, null, null, null, clock_timestamp(), 'XX001', 'broken');
select matches(pg_temp.found('reactions'), '^warning: 1 failed, the oldest since .*, the last with SQLSTATE XX001$', 'one that is tried again');
update drip_core.reaction_failures as f set failed_at = f.failed_at - interval '2 hours'
where f.organization_id = drip_test.org();
select matches(pg_temp.found('reactions'), '^problem: 1 failed', 'one that does not get better');
update drip_core.reaction_failures as f set resolved_at = clock_timestamp()
where f.organization_id = drip_test.org();
select matches(pg_temp.found('reactions'), '^ok', 'one that was made up for');
update drip_core.lanes as l set status = 'paused', reason = 'bounced', detail = '6 of 50 came back'
where l.organization_id = drip_test.org();
select matches(pg_temp.found('blocked_lanes'), '^warning: 1 blocked, .*6 of 50 came back$', 'a sender that its guardrails paused waits for a person');
select * from finish();
rollback;
