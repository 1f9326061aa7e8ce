begin;
select plan(5);

select drip_test.at('2026-03-02T00:00:00Z');
select drip_test.organization();
select drip_test.at_all_times(drip_test.org());
select drip_test.just(drip_test.org());
select drip_test.phone_line(drip_test.org(), 'line');
select drip_test.email_sequence(drip_test.org(), 'chat', 1, '{"steps": [
  {"key": "s1", "channel": "whatsapp_lite", "allow_identical_text": true, "text": "Hi"}]}');
select drip_test.enrolled(drip_test.org(), 'chat', array(
  select drip_test.contact(drip_test.org(), 'c' || i, jsonb_build_object('phone', '+49151000000' || (10 + i))) from generate_series(1, 60) as i
));

do $$
declare
  v_at timestamptz;
begin
  for v_round in 1 .. 60 loop
    perform drip_test.at(drip.next_due_at());
    if drip_test.settle('sent', drip_test.org()) <> '{"completed": 1}' then
      raise exception 'round % did not send one message', v_round;
    end if;
  end loop;
end;
$$;

create temporary table gaps as
select m.settled_at - lag(m.settled_at) over (order by m.settled_at) as gap
from drip_core.messages as m
where m.organization_id = drip_test.org();
select is((
  select count(*) from drip_core.messages
  where organization_id = drip_test.org()
), 60::bigint, 'every message goes out');
select cmp_ok((select min(gaps.gap) from gaps), '>=', interval '1 minute', 'H1: no gap is shorter than one minute, the default of whatsapp_lite');
select cmp_ok((select max(gaps.gap) from gaps), '<=', interval '19 minutes', 'H1: nor longer than 19');
select cmp_ok((select count(distinct date_trunc('minute', gaps.gap)) from gaps), '>', 8::bigint, 'H1: they spread over the range');
select drip_test.no_violations();

select finish();
rollback;
