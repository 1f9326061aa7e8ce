begin;
select plan(9);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
set local role drip_app;
select is(current_user, 'drip_app'::name, 'the test acts as drip_app');
create temporary table first on commit drop as select * from drip.apply_sequence(drip_test.org(), drip_test.email_definition('welcome', 2));
select is((select (version, status)::text from first), '(1,active)', 'the first publication is version 1 and active');
select is(
  (
    select (a.sequence_id = f.sequence_id, a.version)::text from drip.apply_sequence(drip_test.org(), drip_test.email_definition('welcome', 2)) as a, first as f
  ),
  '(t,1)', 'X8: the same content is the same version'
);
select is(
  (select a.version from drip.apply_sequence(drip_test.org(), drip_test.email_definition('welcome', 2) || '{"window": null, "status": "active"}') as a),
  1, 'X8: a null key and the status are no content'
);
select is(
  (
    select (a.sequence_id = f.sequence_id, a.version)::text from drip.apply_sequence(drip_test.org(), drip_test.email_definition('welcome', 3)) as a, first as f
  ),
  '(t,2)', 'X8: a change is a new version of the same sequence'
);
select is(
  (select a.version from drip.apply_sequence(drip_test.org(), drip_test.email_definition('welcome', 2)) as a), 3,
  'X8: going back is a new version again, not an old one'
);
select is(
  (select (s.version, s.step_count, s.name)::text from drip.list_sequences(drip_test.org()) as s),
  '(3,2,"Sequence welcome")',
  'the list shows the current version'
);
reset role;
select results_eq(
  $$
    select v.version, v.step_count, (select count(*)::int from drip_core.steps as s
      where s.organization_id = v.organization_id and s.sequence_id = v.sequence_id and s.version = v.version)
    from drip_core.sequence_versions as v where v.organization_id = drip_test.org() order by 1
  $$,
  $$ values (1, 2, 2), (2, 3, 3), (3, 2, 2) $$,
  'X8: every version keeps its own steps'
);
select drip_test.no_violations();
select * from finish();
rollback;
