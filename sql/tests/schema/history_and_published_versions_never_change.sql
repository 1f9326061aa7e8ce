begin;
select plan(18);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'welcome', 2, '{"senders": [{"account": "box"}]}');
select drip_test.contact(drip_test.org(), 'ann', '{"consent": {"email": "opted_in"}}');
select count(*) from drip.enroll_many(drip_test.org(), 'welcome', array(select contact_id from drip.list_contacts(drip_test.org())));

create temporary table fixed (relation text, rule text, change text) on commit drop;
insert into fixed values
('drip_core.sequence_versions', 'X8', 'step_count = 9'),
('drip_core.steps', 'X8', 'text_format = ''changed'''),
('drip_core.version_senders', 'X8', 'weight = 9'),
('drip_core.consent_ledger', 'H4', 'is_effective = false'),
('drip_core.events', 'M5', 'occurred_at = now()');

create function pg_temp.row_count(relation text)
returns bigint
language plpgsql
as $$
declare
  v_count bigint;
begin
  execute format('select count(*) from %s where organization_id = drip_test.org()', relation) into v_count;
  return v_count;
end;
$$;

select ok(pg_temp.row_count(f.relation) > 0, f.rule || ': there are rows to protect in ' || f.relation) from fixed as f;
select
  throws_ok(
    format('update %s set %s where organization_id = drip_test.org()', f.relation, f.change), 'PT409',
    split_part(f.relation, '.', 2) || ' rows are written once', f.rule || ': no update of ' || f.relation
  )
from fixed as f
where f.relation <> 'drip_core.consent_ledger';
select
  throws_ok(
    format('delete from %s where organization_id = drip_test.org()', f.relation), 'PT409',
    split_part(f.relation, '.', 2) || ' rows are written once', f.rule || ': no delete from ' || f.relation
  )
from fixed as f
where f.relation <> 'drip_core.consent_ledger';
select throws_ok(format('truncate %s cascade', f.relation), 'PT409', null, f.rule || ': no truncate of ' || f.relation) from fixed as f;
select * from finish();
rollback;
