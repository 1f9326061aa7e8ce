begin;
select plan(17);
select drip_test.keep('b', drip_test.organization('B'));
select drip_test.keep('stranger', drip_test.contact(drip_test.org(), 'stranger'));
select drip_test.keep('a', drip_test.organization('A', settings => '{"tracking": true}'));
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.mailbox(drip_test.org(), 'box-2');
select drip.apply_sequence(drip_test.org(), '{"key": "welcome", "steps": [
  {"key": "intro", "channel": "email", "subject": "Hi {{ contact.first_name }}", "text": "Dear {{ contact.first_name }}, {{ deal.name | default: ''no deal'' }} {{ unsubscribe_url }}",
   "html": "<p>Hello <b>{{ contact.first_name }}</b> <a href=\"https://example.com/x\">x</a></p>"},
  {"key": "bump", "channel": "email", "delay": "1 day", "thread": true, "text": "Still there, {{ contact.company | default: ''friend'' }}?"},
  {"key": "strict", "channel": "email", "subject": "S", "text": "{{ contact.attributes.plan }} of {{ contact.last_name }}"}]}');
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann', '{"attributes": {"plan": "pro"}, "last_name": "Lee"}'));
select drip_test.keep('bob', drip_test.contact(drip_test.org(), 'bob', '{"first_name": "B<o>b", "attributes": {"plan": "pro"}, "last_name": "Ox"}'));
select drip.upsert_deal(drip_test.org(), '{"external_id": "d", "contact_external_id": "ann", "name": "Big one"}');
select drip_test.keep('e', enrollment_id)
from drip.enroll(drip_test.org(), 'welcome', drip_test.kept(
    'ann'), (
    select id from drip_core.deals
    where organization_id = drip_test.org()
  ));

-- what a message looks like without what makes it the contact's own: its tokens
create function pg_temp.plain(p jsonb)
returns jsonb
language sql
as $$
  select regexp_replace((p - array[
    'organization_id', 'enrollment_id', 'claim_token', 'message_token', 'link_token', 'channel_account_id', 'provider', 'config', 'secret_ref',
    'attempt', 'is_test', 'lease_expires_at', 'version', 'contact_id', 'channel_account_key', 'would_send', 'reason', 'effect', 'wait_until',
    'missing_fields'])::text, '[0-9a-f]{66}', 'TOKEN', 'g')::jsonb;
$$;
-- numbers of rows and of what was written, of every table
create function pg_temp.written()
returns text
language plpgsql
as $$
declare
  v_row record;
  v_one text;
  v_all text := '';
begin
  for v_row in
    select c.oid::regclass as name from pg_class as c
    where c.relnamespace = 'drip_core'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition order by c.relname
  loop
    execute format('select md5(coalesce(string_agg(t.xmin::text || t.ctid::text || t::text, '' '' order by t.tableoid, t.ctid), '''')) from %s as t', v_row.name) into v_one;
    v_all := v_all || v_one;
  end loop;
  return v_all || (select string_agg(s.schemaname || s.sequencename || coalesce(s.last_value, 0), ' ' order by s.sequencename) from pg_sequences as s where s.schemaname = 'drip_core');
end;
$$;
create temporary table before_preview on commit drop as select pg_temp.written() as state;

create temporary table p on commit drop as select drip.preview(drip_test.org(), 'welcome', 'intro', drip_test.kept('ann')) as j;
select is(pg_temp.written(), (select state from before_preview), 'H2: a preview writes nothing');
select is(
  (
    select p.provolatile::text from pg_proc as p
    where p.pronamespace = 'drip'::regnamespace and p.proname = 'preview'
  ), 's',
  'H2: it is declared so, too: PostgreSQL refuses it to write'
);
select is((select j ->> 'would_send' from p), 'true', 'it says that it would go out');
create temporary table c on commit drop as select to_jsonb(m) as j from drip.claim(organization_id => drip_test.org()) as m;
select is((select pg_temp.plain(p.j) from p), (select pg_temp.plain(c.j) from c), 'H2: a preview is what the claim sends, tokens aside');
select ok(
  (select p.j ->> 'html_body' ~ '/o/[0-9a-f]{66}\.gif' and p.j ->> 'text_body' ~ '/u/[0-9a-f]{66}' from p), 'it has links and a pixel'
);
select is(
  (
    select string_agg(distinct coalesce(drip_core._read_token(t.parts[1], 'link')::text, ''), ' ')
    from p cross join lateral regexp_matches(p.j::text, '/[uco]/([0-9a-f]{66})', 'g') as t (parts)
    where exists (
        select
        from drip_core._read_token(t.parts[1], 'link') as k
        inner join drip_core.enrollments as e on k.organization_id = e.organization_id and k.enrollment_id = e.id
      )
  ), null, 'H2: they lead to no contact'
);
select is(drip.unsubscribe((select substring(p.j ->> 'text_body' from '/u/([0-9a-f]{66})') from p)) ->> 'ended', '0', 'H2: its link unsubscribes nobody');
select is(drip_test.state(drip_test.org(), drip_test.kept('e')), 'active/-', 'H2: nobody at all');

-- the answer in a thread
select drip.advance((select jsonb_agg(c.j || '{"outcome": "sent"}') from c));
select drip_test.at(now() + interval '2 days');
create temporary table t on commit drop as select drip.preview(drip_test.org(), 'welcome', 'bump', drip_test.kept('ann')) as j;
select is(
  (select pg_temp.plain(t.j) from t), (select pg_temp.plain(to_jsonb(m)) from drip.claim(organization_id => drip_test.org()) as m),
  'a step that answers is previewed in its thread'
);
select is((select t.j ->> 'subject' from t), 'Re: Hi Ann', 'with its subject');

-- who is not enrolled
select drip_test.keep('cat', drip_test.contact(drip_test.org(), 'cat'));
select is(
  (select pg_temp.plain(drip.preview(drip_test.org(), 'welcome', 'intro', drip_test.kept('bob'))) ->> 'html_body' ~ 'B&lt;o&gt;b'), true,
  'values are escaped for who is not enrolled, too'
);
select is(
  (
    select concat_ws(' ', j -> 'missing_fields', j ->> 'text_body', j ->> 'reason', j ->> 'effect')
    from drip.preview(drip_test.org(), 'welcome', 'strict', drip_test.kept('cat')) as j
  ),
  '["contact.attributes.plan", "contact.last_name"] missing_field ends_enrollment', 'a missing value is named, nothing is rendered without it'
);
select drip.suppress(drip_test.org(), 'email', 'bob@example.net', 'unsubscribed');
select is(
  (
    select concat_ws(' ', j ->> 'would_send', j ->> 'reason', j ->> 'effect', j ->> 'subject')
    from drip.preview(drip_test.org(), 'welcome', 'intro', drip_test.kept('bob')) as j
  ),
  'false opted_out ends_enrollment Hi B<o>b', 'who would not get it: the reason, and what it would have been'
);
select matches(
  drip_test.error_of('select drip.preview(drip_test.org(), ''welcome'', ''into'', drip_test.kept(''ann''))'),
  '^PT404 \| step not found \| .*step_key: into',
  'PT404: a step'
);
select matches(
  drip_test.error_of('select drip.preview(drip_test.org(), ''welcome'', ''intro'', drip_test.kept(''stranger''))'),
  '^PT404 \| contact not found',
  'H2: PT404: a contact of another organization'
);
select matches(
  drip_test.error_of('select drip.preview(drip_test.kept(''b''), ''welcome'', ''intro'', drip_test.kept(''stranger''))'),
  '^PT404 \| organization not found',
  'H2: PT404: another organization'
);
select drip_test.no_violations();
select * from finish();
rollback;
