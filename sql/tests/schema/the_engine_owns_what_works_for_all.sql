-- drip_owner stays under row-level security; what belongs to drip_engine does not. Each API function of the engine has a reason.
begin;
select plan(2);
create temporary table reasons (name text primary key, reason text not null) on commit drop;
insert into reasons values
('advance', 'settles messages of all organizations'),
('apply_retention', 'the operator''s, for the installation'),
('claim', 'takes messages of all organizations'),
('classify_hits', 'the runner''s, and reads hits'),
('click_target', 'the token says whose'),
('export_contact', 'reads keys: tokens of the contact''s messages'),
('get_message', 'reads keys: tokens of the message'),
('hand_over', 'of messages of all organizations'),
('inbox_read', 'the runner''s, for all organizations'),
('inboxes', 'the runner''s, for all organizations'),
('next_due_at', 'over all organizations'),
('pause_lane', 'the runner''s as well'),
('preview', 'renders with the functions of the claim, which are the engine''s'),
('rebuild_rollups', 'the runner''s as well'),
('recipient_check', 'the runner''s, for all organizations'),
('record_account_reports', 'the runner''s as well'),
('record_connection', 'the runner''s, for all organizations'),
('record_recipient_check', 'the runner''s, for all organizations'),
('assign_secret', 'the operator''s, for any organization'),
('withdraw_secret', 'the operator''s, for any organization'),
('rotate_link_key', 'the operator''s, for the installation'),
('record_click', 'the token says whose'),
('record_inbound', 'the runner''s as well'),
('record_open', 'the token says whose'),
('record_provider_event', 'the runner''s as well'),
('record_provider_events', 'the runner''s as well'),
('release', 'of messages of all organizations'),
('resolve_unknown', 'the runner''s as well'),
('resume_lane', 'the runner''s as well'),
('send_test', 'as preview; takes an id for the message'),
('simulate', 'makes a shadow organization'),
('tick', 'the upkeep of all organizations'),
('unsubscribe', 'the token says whose'),
('unsubscribe_info', 'the token says whose'),
('webhook_settings', 'the runner''s, for all organizations'),
('why', 'judges with the functions of the claim, which are the engine''s');
select set_eq(
  $$
    select p.proname::text from pg_proc as p
    where p.pronamespace = 'drip'::regnamespace and p.prosecdef and p.proowner = 'drip_engine'::regrole
  $$,
  $$ select name from reasons $$,
  'H2: only the listed API functions pass by row-level security'
);
select is_empty(
  $$ select name from reasons where reason = '' $$, 'H2: each for a reason'
);
select * from finish();
rollback;
