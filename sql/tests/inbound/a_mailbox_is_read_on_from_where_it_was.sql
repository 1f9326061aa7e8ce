begin;
select plan(6);
select drip_test.organization('A');
select drip.assign_secret(drip_test.org(), 'BOX');
select drip_test.just(drip_test.org());
select drip_test.keep('box', drip_test.mailbox(drip_test.org(), 'box', '{"secret_ref": "BOX", "config": {"inbox": {"host": "imap.example.com"}}}'));
select drip_test.mailbox(drip_test.org(), 'plain');
create function pg_temp.places()
returns text
language sql
as $$
  select string_agg(concat_ws('/', i ->> 'account_key', i ->> 'folder', i ->> 'secret_ref', i ->> 'uid_validity', i ->> 'last_uid'), ' ')
  from drip.inboxes() as i
$$;
select is(pg_temp.places(), 'box/INBOX/BOX', 'senders with an inbox, read from the beginning');
select drip.inbox_read(drip_test.org(), drip_test.kept('box'), 'INBOX', 7, 100);
select is(pg_temp.places(), 'box/INBOX/BOX/7/100', 'then from where it was');
select drip.inbox_read(drip_test.org(), drip_test.kept('box'), 'INBOX', 7, 50);
select is(pg_temp.places(), 'box/INBOX/BOX/7/100', 'never back');
select drip.inbox_read(drip_test.org(), drip_test.kept('box'), 'INBOX', 8, 3);
select is(pg_temp.places(), 'box/INBOX/BOX/8/3', 'unless the server numbers anew');
select matches(drip_test.error_of($$ select drip.inbox_read(drip_test.org(), 0, 'INBOX', 1, 1) $$), '^PT404', 'of a sender that there is');
select matches(drip_test.error_of('select drip.inboxes(0)'), '^PT404', 'of an organization that there is');
select * from finish();
rollback;
