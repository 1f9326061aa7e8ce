begin;
select plan(19);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
create temporary table pairs on commit drop as
select
  f.status as f,
  t.status as t,
  f.status || '-' || t.status as key
from unnest(enum_range(null::drip.sequence_status)) as f (status) cross join unnest(enum_range(null::drip.sequence_status)) as t (status);
select count(drip_test.email_sequence(drip_test.org(), key, 1, jsonb_build_object('status', f))) from pairs;
select
  is(
    drip_test.error_of(format('select drip.set_sequence_status(drip_test.org(), %L, %L)', p.key, p.t)),
    case when p.f = 'archived' and p.t <> 'archived'
        then
          format('PT409 | an archived sequence stays archived | sequence_id: %s, wanted: %s', s.sequence_id, p.t)
      else 'no error'
    end,
    format('PT409: %s to %s %s', p.f, p.t, case when p.f = 'archived' and p.t <> 'archived' then 'is refused' else 'passes' end)
  )
from pairs as p inner join drip.list_sequences(drip_test.org()) as s on p.key = s.sequence_key
order by p.f, p.t;
select is_empty(
  $$
    select p.key, s.status from pairs as p join drip.list_sequences(drip_test.org()) as s on s.sequence_key = p.key
    where s.status <> case p.f when 'archived' then 'archived' else p.t::text end
  $$, 'the status is the one that was set'
);
select matches(
  drip_test.error_of('select drip.set_sequence_status(drip_test.org(), ''draft-draft'', ''live'')'),
  '^PT422 \| unknown sequence status',
  'PT422: a status is known'
);
select count(*) from drip.enroll(drip_test.org(), 'draft-active', drip_test.contact(drip_test.org(), 'ann'));
select matches(
  drip_test.error_of('select drip.set_sequence_status(drip_test.org(), ''draft-active'', ''draft'')'), '^PT409 \| a sequence with open enrollments',
  'PT409: with open enrollments there is no way back to draft'
);
select * from finish();
rollback;
