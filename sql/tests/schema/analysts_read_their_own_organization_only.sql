begin;
select plan(35);
select drip_test.keep('b', drip_test.organization('B'));
select drip_test.mailbox(drip_test.org(), 'box-b');
select drip_test.email_sequence(drip_test.org(), 'seq-b', 2, '{"goal": {"deal_stages": ["won"]}}');
select count(*) from drip.enroll_many(drip_test.org(), 'seq-b', drip_test.contacts(drip_test.org(), 1, 'w'));
select drip_test.settle('sent');
select drip.upsert_deal(drip_test.org(), '{"external_id": "d", "contact_external_id": "w1", "stage": "won"}');
select count(*) from drip.enroll_many(drip_test.org(), 'seq-b', drip_test.contacts(drip_test.org(), 2));
select drip_test.contact(drip_test.org(), 'out', '{"consent": {"email": "opted_out"}}');
select drip_test.settle('unknown');
select drip_core._note_failure(drip_test.org(), 'deal', 1, null, null, null, null, null, clock_timestamp(), null, null);
select drip.record_provider_event(drip_test.org(), '{"provider_message_id": "x", "type": "delivered"}');
select drip_test.keep('a', drip_test.organization('A'));
select drip_test.mailbox(drip_test.org(), 'box-a');
select drip_test.email_sequence(drip_test.org(), 'seq-a', 2, '{"goal": {"deal_stages": ["won"]}}');
select count(*) from drip.enroll_many(drip_test.org(), 'seq-a', drip_test.contacts(drip_test.org(), 1, 'w'));
select drip_test.settle('sent');
select drip.upsert_deal(drip_test.org(), '{"external_id": "d", "contact_external_id": "w1", "stage": "won"}');
select count(*) from drip.enroll_many(drip_test.org(), 'seq-a', drip_test.contacts(drip_test.org(), 3));
select drip_test.contact(drip_test.org(), 'out', '{"consent": {"email": "opted_out"}}');
select drip_test.settle('unknown');
select drip_core._note_failure(drip_test.org(), 'deal', 1, null, null, null, null, null, clock_timestamp(), null, null);
select drip.record_provider_event(drip_test.org(), '{"provider_message_id": "x", "type": "delivered"}');

create function pg_temp.tenants(p_view text)
returns bigint[]
language plpgsql
as $$
declare
  v_found bigint[];
begin
  execute format('select array_agg(distinct organization_id) from drip_report.%I', p_view) into v_found;
  return v_found;
end;
$$;
set local role drip_analyst;
select is(current_user, 'drip_analyst'::name, 'the test acts as drip_analyst');
select is(pg_temp.tenants(v.name), array[drip_test.org()], 'H2: drip_report.' || v.name || ' shows the rows of the caller''s organization only')
from unnest(array[
    'sequence_overview', 'enrollment_status', 'step_funnel', 'cohorts', 'channel_performance', 'sender_performance', 'outcome_reasons',
    'daily_activity', 'recent_activity', 'delivery_errors', 'conversions', 'lane_status', 'unknown_outcomes', 'consent_log', 'reaction_failures',
    'unmatched_facts'
  ])
    as v (name);
select is((select sum(enrolled) from drip_report.sequence_overview), 4::numeric, 'H2: and counts them only');
select drip_test.act_for(null);
select is(pg_temp.tenants(v.name), null, 'H2: without an organization drip_report.' || v.name || ' shows nothing')
from unnest(array[
    'sequence_overview', 'enrollment_status', 'step_funnel', 'cohorts', 'channel_performance', 'sender_performance', 'outcome_reasons',
    'daily_activity', 'recent_activity', 'delivery_errors', 'conversions', 'lane_status', 'unknown_outcomes', 'consent_log', 'reaction_failures',
    'unmatched_facts'
  ])
    as v (name);
select is(
  drip_test.error_of('select email from drip_core.contacts'), '42501 | permission denied for table contacts', 'H2: analysts read no addresses'
);
select * from finish();
rollback;
