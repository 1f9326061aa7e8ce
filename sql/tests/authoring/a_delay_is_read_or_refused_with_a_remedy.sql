begin;
select plan(54);
create temporary table good (delay text, elapsed interval, days int, business_days int, at_time time) on commit drop;
insert into good values
('0', '0', 0, 0, null),
('0 days', '0', 0, 0, null),
('30 minutes', '30 minutes', 0, 0, null),
('90 m', '90 minutes', 0, 0, null),
('2 hours', '2 hours', 0, 0, null),
('3 days', '0', 3, 0, null),
('1 week', '0', 7, 0, null),
(' 1 Week, 2 days and 3 hours ', '3 hours', 9, 0, null),
('2 business days', '0', 0, 2, null),
('1 working day', '0', 0, 1, null),
('2 weeks 2 working days', '0', 14, 2, null),
('2 business days 3 hours', '3 hours', 0, 2, null),
('next day', '0', 1, 0, null),
('next day at 09:00 local', '0', 1, 0, '09:00'),
('next day at 09:00', '0', 1, 0, '09:00'),
('next business day at 9:00', '0', 0, 1, '09:00'),
('Next Working Day at 17:30 Local', '0', 0, 1, '17:30'),
('3 days at 14:30', '0', 3, 0, '14:30'),
('at 09:00', '0', 0, 0, '09:00'),
('at 00:00', '0', 0, 0, '00:00'),
('0 at 23:59', '0', 0, 0, '23:59'),
('3660 days', '0', 3660, 0, null),
('2614 business days', '0', 0, 2614, null);
select
  results_eq(
    format('select elapsed, days, business_days, at_time, problem from drip_core._parse_delay(%L)', g.delay),
    format('select %L::interval, %s, %s, %L::time, null::text', g.elapsed, g.days, g.business_days, g.at_time),
    format('"%s" is understood', g.delay)
  )
from good as g;
select is((drip_core._parse_delay(null)).days, 0, 'no delay is none');

create temporary table bad (delay text, problem text) on commit drop;
insert into bad values
('two dayz', '^"two dayz" is not a delay; try "2 days", "30 minutes", "2 business days" or "next day at 09:00"$'),
('', 'is not a delay; try'),
('soon', 'is not a delay; try'),
('2', 'is not a delay; try'),
('-2 days', 'is not a delay; try'),
('1.5 days', 'is not a delay; try'),
('1 month', 'is not a delay; try'),
('1h30m', 'is not a delay; try'),
('business days', 'is not a delay; try'),
('next 2 days', 'is not a delay; try'),
('next next day', 'is not a delay; try'),
('2 days local', 'is not a delay; try'),
('10000000 days', 'is not a delay; try'),
('2 business hours', 'is not a delay; try'),
('at 25:00', '^"at 25:00" has no local time of day behind "at"; write one from 00:00 to 23:59, as in "next day at 09:00"$'),
('at 24:00', 'has no local time of day behind "at"'),
('at 09:60', 'has no local time of day behind "at"'),
('at 9', 'has no local time of day behind "at"'),
('at 9:00 pm', 'has no local time of day behind "at"'),
('2 days at', 'has no local time of day behind "at"'),
('at 09:00 and 2 days', 'has no local time of day behind "at"'),
('at 09:00 at 10:00', '^"at 09:00 at 10:00" says two local times; one is enough$'),
('2 hours at 09:00', '^"2 hours at 09:00" has hours or minutes and a local time of day; leave one of them out$'),
('1 day 5 minutes at 09:00', 'leave one of them out$'),
('3661 days', '^"3661 days" is longer than ten years$'),
('2615 business days', 'is longer than ten years$'),
('87864 hours', 'is longer than ten years$'),
('2000 days 1200 business days', 'is longer than ten years$'),
('999999 weeks 999999 weeks', 'is longer than ten years$'),
(repeat('x', 1000), '^"x{40}" is not a delay');
select matches((drip_core._parse_delay(b.delay)).problem, b.problem, format('"%s" is refused', left(b.delay, 40)))
from bad as b;
select * from finish();
rollback;
