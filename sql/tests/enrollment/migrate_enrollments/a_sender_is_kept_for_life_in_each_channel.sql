begin;
select plan(15);
select drip_test.organization();
select drip_test.at_all_times(drip_test.org());
select drip_test.keep('mail', drip_test.mailbox(drip_test.org(), 'mail'));
select drip_test.keep('other', drip_test.mailbox(drip_test.org(), 'other'));
select drip_test.keep('line', drip_test.phone_line(drip_test.org(), 'line', settings => '{"min_gap": null, "max_gap": null}'));
select drip_test.keep('cloud', drip_test.phone_line(drip_test.org(), 'cloud', settings => '{"min_gap": null, "max_gap": null}'));
select drip_test.at('2026-03-02 09:00Z');

-- each step is key:channel, each sender an account with weight 1 but the first, which has 3
create function pg_temp.publish(sequence text, steps text[], senders text[]) returns int language sql as $$
  select s.version
  from drip.apply_sequence(drip_test.org(), jsonb_build_object(
    'key', publish.sequence,
    'senders', (select jsonb_agg(jsonb_build_object('account', n.key, 'weight', case n.ordinal when 1 then 3 else 1 end))
      from unnest(publish.senders) with ordinality as n (key, ordinal)),
    'steps', (
      select jsonb_agg(jsonb_build_object('key', split_part(k.step, ':', 1), 'channel', split_part(k.step, ':', 2), 'delay', '1 hour',
        'text', 'x') || case split_part(k.step, ':', 2) when 'email' then '{"subject": "x"}' else '{"allow_identical_text": true}' end::jsonb order by k.ordinal)
      from unnest(publish.steps) with ordinality as k (step, ordinal)))) as s;
$$;
-- the senders of everybody, in order, and the lane where they wait: 'mail line @mail'
create function pg_temp.senders(contact text, sequence text) returns text language sql as $$
  select (
    select string_agg(a.key, ' ' order by k.ordinal)
    from unnest(e.sender_ids) with ordinality as k (id, ordinal)
    join drip_core.channel_accounts as a on a.organization_id = e.organization_id and a.id = k.id
  ) || ' @' || (
    select a.key from drip_core.channel_accounts as a where a.organization_id = e.organization_id and a.id = e.channel_account_id
  )
  from drip_core.enrollments as e
  where e.organization_id = drip_test.org() and e.id = drip_test.enrollment(senders.contact, senders.sequence);
$$;

select drip_test.contacts(drip_test.org(), 200, extra => '{"phone": "+4930123456"}');
select drip_test.contact(drip_test.org(), 'ann', '{"phone": "+4930654321"}');
select drip_test.keep('ann', contact_id) from drip.list_contacts(drip_test.org(), 'ann@');

select pg_temp.publish('two', array['m:email', 'w:whatsapp_lite'], array['mail', 'line']);
select drip_test.enrolled(drip_test.org(), 'two', array[drip_test.kept('ann')]);
select is(pg_temp.senders('ann', 'two'), 'mail line @mail', 'a sender for each channel');
-- the channels change places, others are listed now
select pg_temp.publish('two', array['w:whatsapp_lite', 'm:email'], array['cloud', 'other']);
select outcome from (select m.to_step as outcome from drip.migrate_enrollments(drip_test.org(), 'two', 2, false) as m) as x;
select is(pg_temp.senders('ann', 'two'), 'line mail @mail', 'X8: they follow the order of the channels and stay, listed or not');
-- a channel goes, and comes back
select pg_temp.publish('two', array['m:email', 'n:email'], array['other']);
select outcome from (select m.to_step as outcome from drip.migrate_enrollments(drip_test.org(), 'two', 3, false) as m) as x;
select is(pg_temp.senders('ann', 'two'), 'mail line @mail', 'one whose channel is not there any more is remembered behind the others');
select pg_temp.publish('two', array['n:email', 'm:whatsapp_lite'], array['cloud', 'other']);
select is(drip.pause_enrollment(drip_test.org(), drip_test.enrollment('ann', 'two')), 'paused', 'ann waits');
select outcome from (select m.to_step as outcome from drip.migrate_enrollments(drip_test.org(), 'two', 4, false) as m) as x;
select is(pg_temp.senders('ann', 'two'), 'mail line @line', 'for life: it is used again');
select drip_test.no_violations('a paused one has its queue, too');
select drip.resume_enrollment(drip_test.org(), drip_test.enrollment('ann', 'two'));

-- a step that changes its channel after one attempt
select drip_test.at('2026-03-02 10:00Z');
select drip_test.report(drip_test.claims(drip_test.org()), 'retry');
select is(drip_test.place(drip_test.org(), drip_test.enrollment('ann', 'two')), 'active m, attempt 1, due 2026-03-02 10:05', 'one attempt failed');
select pg_temp.publish('two', array['m:email'], array['other']);
select outcome from (select m.to_step as outcome from drip.migrate_enrollments(drip_test.org(), 'two', 5, false) as m) as x;
select is(
  drip_test.place(drip_test.org(), drip_test.enrollment('ann', 'two')), 'active m, attempt 0, due 2026-03-02 10:05',
  'attempts are those of a channel, its time stays'
);
select is(pg_temp.senders('ann', 'two'), 'mail line @mail', 'and it waits in the lane of the other channel');
select drip_test.at('2026-03-02 10:05Z');
select is(drip_test.settle(), '{"completed": 1}', 'where it is sent');

-- a channel that is new: a sender by weight, the same that enrolling would choose
select pg_temp.publish('grows', array['m:email'], array['mail']);
select drip_test.at('2026-03-02 09:00Z');
select drip_test.enrolled(drip_test.org(), 'grows', array(select c.contact_id from drip.list_contacts(drip_test.org(), null, null, null, 1000) as c));
-- the lanes were drained: what they get now, they must be told
select drip_test.at('2026-03-02 10:00Z');
select drip_test.claims(drip_test.org(), 1);
select drip.release((
  select jsonb_agg(jsonb_build_object('organization_id', e.organization_id, 'enrollment_id', e.id, 'claim_token', e.claim_token))
  from drip_core.enrollments as e
  where e.organization_id = drip_test.org() and e.claim_token is not null
));
select pg_temp.publish('grows', array['m:whatsapp_lite', 'n:email'], array['line', 'cloud']);
select drip.apply_channel_account(drip_test.org(), '{"key": "line", "daily_limit": null}');
select drip.apply_channel_account(drip_test.org(), '{"key": "cloud", "daily_limit": null}');
select results_eq(
  $$ select * from drip.migrate_enrollments(drip_test.org(), 'grows', 2, false) $$,
  $$ values ('m', 'm', 201::bigint) $$, 'everybody moves'
);
select results_eq(
  $$
    select a.key, count(*) between 151 - 40 and 151 + 40
    from drip_core.enrollments as e
    join drip_core.channel_accounts as a on a.organization_id = e.organization_id and a.id = e.sender_ids[1]
    join drip_core.sequences as s on s.organization_id = e.organization_id and s.id = e.sequence_id
    where e.organization_id = drip_test.org() and s.key = 'grows'
    group by a.key order by a.key
  $$,
  $$ values ('cloud', false), ('line', true) $$,
  'weights 3:1 share 201 contacts about 3:1'
);
create temporary table migrated on commit drop as
select
  e.contact_id,
  e.sender_ids[1] as sender_id
from drip_core.enrollments as e
where e.organization_id = drip_test.org() and e.sender_ids[2] = drip_test.kept('mail') and cardinality(e.sender_ids) = 2 and e.status = 'active';
select is((
  select count(*) from migrated
), 201::bigint, 'the mailbox they had is the second now');
select is(drip_test.settle() ->> 'advanced', '201', 'X10: their new lanes find them at once');
select drip_test.no_violations();
select finish();
rollback;
