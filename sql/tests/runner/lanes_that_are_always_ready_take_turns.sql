-- Ten senders with work all the time, woken by every settlement: a batch goes to a few of them, and each gets its turn.
begin;
select plan(3);
select drip_test.at('2026-03-02 09:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sender-' || g) from generate_series(1, 10) as g;
select
  drip.apply_sequence(drip_test.org(), jsonb_build_object(
    'key', 'sequence-' || g, 'name', 'S', 'senders', jsonb_build_array(jsonb_build_object('account', 'sender-' || g)),
    'steps', (
      select jsonb_agg(jsonb_build_object('key', 's' || n, 'channel', 'email', 'delay', '0', 'subject', 'S', 'text', 'T'))
      from generate_series(1, 3) as n
    )
  ))
from generate_series(1, 10) as g;
select
  drip_test.enrolled(drip_test.org(), 'sequence-' || g, array(
    select drip_test.contact(drip_test.org(), 'c' || g || '-' || n) from generate_series(1, 10) as n
  ))
from generate_series(1, 10) as g;

create temporary table served (round int, lane bigint, messages bigint);
create function pg_temp.serve(round int, organization bigint) returns void language plpgsql as $$
declare
  v_claims jsonb;
begin
  perform drip_test.at('2026-03-02 09:00Z'::timestamptz + serve.round * interval '1 second');
  select jsonb_agg(to_jsonb(c)) into v_claims from drip.claim(batch_size => 20, organization_id => serve.organization) as c;
  insert into served select serve.round, (c ->> 'channel_account_id')::bigint, count(*) from jsonb_array_elements(v_claims) as c group by 2;
  perform drip_test.report((select jsonb_agg(jsonb_build_object(
    'organization_id', c -> 'organization_id', 'enrollment_id', c -> 'enrollment_id', 'claim_token', c -> 'claim_token'))
    from jsonb_array_elements(v_claims) as c));
end;
$$;
select pg_temp.serve(r, null) from generate_series(1, 5) as r;
select is(array_agg(x.messages order by x.lane)::int[], array_fill(10, array[10]), 'after five batches of 20 each of ten senders sent as much as the others')
from (select
  s.lane,
  sum(s.messages) as messages
from served as s
group by s.lane) as x;
truncate served;
select pg_temp.serve(r, drip_test.org()) from generate_series(6, 10) as r;
select ok(min(x.messages) = 10 and count(*) = 10, 'and so they do for a runner of one organization')
from (select
  s.lane,
  sum(s.messages) as messages
from served as s
group by s.lane) as x;
select drip_test.no_violations();
select finish();
rollback;
