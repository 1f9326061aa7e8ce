begin;
select plan(15);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'one', 1);
select drip_test.email_sequence(drip_test.org(), 'two', 1);
select count(*) from drip.enroll_many(drip_test.org(), 'one', drip_test.contacts(drip_test.org(), 7, extra => '{"tags": ["lead"]}'));
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann_100%', '{"company": "Acme Ltd", "last_name": "Lee", "email": "ann@example.net"}'));
select count(*) from drip.enroll(drip_test.org(), 'two', drip_test.kept('ann'));
select drip.pause_enrollment(drip_test.org(), (select min(enrollment_id) from drip.list_enrollments(drip_test.org())));
set local role drip_app;
select is(current_user, 'drip_app'::name, 'the test acts as drip_app');
create function pg_temp.walk(p_what text, p_limit int)
returns text
language plpgsql
as $$
declare
  v_after bigint;
  v_page bigint[];
  v_sizes text := '';
  v_seen bigint[] := '{}';
begin
  for v_round in 1 .. 20 loop
    execute format('select array_agg(x.%1$s_id order by x.%1$s_id) from drip.list_%1$ss(drip_test.org(), after => $1, "limit" => $2) as x', p_what)
    into v_page using v_after, p_limit;
    exit when v_page is null;
    v_sizes := v_sizes || cardinality(v_page) || ' ';
    v_seen := v_seen || v_page;
    v_after := v_page[cardinality(v_page)];
  end loop;
  return v_sizes || (select count(distinct s.id) from unnest(v_seen) as s (id));
end;
$$;
select is(pg_temp.walk('contact', 3), '3 3 2 8', 'pages of contacts hold every contact once');
select is(pg_temp.walk('enrollment', 3), '3 3 2 8', 'pages of enrollments hold every enrollment once');
select is((select count(*) from drip.list_enrollments(drip_test.org(), 'one')), 7::bigint, 'enrollments of a sequence');
select is((select count(*) from drip.list_enrollments(drip_test.org(), status => 'paused')), 1::bigint, 'enrollments of a status');
select is((select e.sequence_key from drip.list_enrollments(drip_test.org(), contact_id => drip_test.kept('ann')) as e), 'two', 'enrollments of a contact');
select is((select count(*) from drip.list_contacts(drip_test.org(), tag => 'lead')), 7::bigint, 'contacts with a tag');
select is((select count(*) from drip.list_contacts(drip_test.org(), tag => 'lea')), 0::bigint, 'a tag is not a search');
select is((select count(*) from drip.list_contacts(drip_test.org(), search => ' ACME ')), 1::bigint, 'contacts by company, whatever the case');
select is((select count(*) from drip.list_contacts(drip_test.org(), search => 'n_100%')), 1::bigint, 'wildcards are taken literally');
select is((select count(*) from drip.list_contacts(drip_test.org(), search => 'n%lee')), 0::bigint, 'and match nothing else');
select matches(
  drip_test.error_of('select * from drip.list_contacts(drip_test.org(), "limit" => 0)'), '^PT422 \| invalid limit', 'PT422: a page holds something'
);
select matches(
  drip_test.error_of('select * from drip.list_enrollments(drip_test.org(), "limit" => 10001)'), '^PT422 \| invalid limit', 'PT422: and not everything'
);
select matches(
  drip_test.error_of('select * from drip.list_enrollments(drip_test.org(), status => ''activ'')'), '^PT422 \| unknown enrollment status',
  'M2: a misspelt status is an error, not an empty page'
);
select matches(
  drip_test.error_of('select * from drip.list_enrollments(drip_test.org(), ''three'')'),
  '^PT404 \| sequence not found',
  'PT404: so is a sequence that there is not'
);
select * from finish();
rollback;
