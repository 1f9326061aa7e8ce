-- Helpers of the pgTAP suite: loaded before the tests, dropped after them, never shipped. Loading twice changes nothing.
-- Builders act on one organization and leave drip.organization_id set to it until the end of the transaction.
-- Builders call the API as the current role; what reads tables works after `set local role` as well.
create schema if not exists drip_test;
grant usage on schema drip_test to public;

-- Speaks for an organization until the end of the transaction.
create or replace function drip_test.act_for(organization_id bigint)
returns void
language sql
volatile
as $$
  select set_config('drip.organization_id', coalesce(act_for.organization_id::text, ''), true);
$$;

-- The organization the test speaks for.
create or replace function drip_test.org()
returns bigint
language sql
stable
as $$
  select nullif(current_setting('drip.organization_id', true), '')::bigint;
$$;

-- Remembers an id under a name until the end of the transaction, and gives it back.
create or replace function drip_test.keep(name text, id bigint)
returns bigint
language sql
volatile
as $$
  select set_config('drip_test.' || keep.name, keep.id::text, true)::bigint;
$$;

create or replace function drip_test.kept(name text)
returns bigint
language sql
stable
as $$
  select current_setting('drip_test.' || kept.name)::bigint;
$$;

-- A new organization that can publish email steps; the caller speaks for it from now on. Superuser only.
create or replace function drip_test.organization(name text default 'Acme', timezone text default 'UTC', settings jsonb default '{}')
returns bigint
language plpgsql
volatile
as $$
declare
  v_id bigint;
begin
  v_id := drip.create_organization(organization.name, organization.timezone, jsonb_build_object(
    'public_base_url', 'https://mail.example.com',
    'postal_address', '1 Example Street, Exampleton'
  ) || organization.settings);
  perform drip_test.act_for(v_id);
  return v_id;
end;
$$;

-- A sender of channel email over smtp; settings override or add to what it is made with.
create or replace function drip_test.mailbox(organization_id bigint, key text, settings jsonb default '{}')
returns bigint
language sql
volatile
as $$
  select drip.apply_channel_account(mailbox.organization_id, jsonb_build_object(
    'key', mailbox.key,
    'channel', 'email',
    'provider', 'smtp',
    'address', mailbox.key || '@sender.example',
    'display_name', 'Sender ' || mailbox.key
  ) || mailbox.settings);
$$;

-- Sends at all times, where a channel without a window would keep working hours.
create or replace function drip_test.at_all_times(organization_id bigint)
returns void
language sql
volatile
as $$
  select drip.update_organization(at_all_times.organization_id, '{"default_window": {
    "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "start": "00:00", "end": "24:00", "timezone": "contact"}}');
$$;

-- A sender of a WhatsApp channel, without the ramp of a new one.
create or replace function drip_test.phone_line(
  organization_id bigint, key text, channel text default 'whatsapp_lite', settings jsonb default '{}'
)
returns bigint
language sql
volatile
as $$
  select drip.apply_channel_account(phone_line.organization_id, jsonb_build_object(
    'key', phone_line.key,
    'channel', phone_line.channel,
    'provider', case phone_line.channel when 'whatsapp_lite' then 'waha' else 'whatsapp_cloud' end,
    'address', '+4930' || (1000000 + abs(hashtext(phone_line.key)) % 1000000)::text,
    'ramp_start', null,
    'ramp_increment', null
  ) || phone_line.settings);
$$;

-- n contacts with email <prefix><i>@example.net, first name and, if wanted, phone; ids in order.
create or replace function drip_test.contacts(organization_id bigint, n int, prefix text default 'c', extra jsonb default '{}')
returns bigint[]
language sql
volatile
as $$
  select coalesce(array_agg(u.contact_id order by u.ordinal), '{}')
  from drip.upsert_contacts(contacts.organization_id, (
    select coalesce(jsonb_agg(jsonb_build_object(
      'external_id', contacts.prefix || i,
      'email', contacts.prefix || i || '@example.net',
      'first_name', 'Name' || i
    ) || contacts.extra order by i), '[]')
    from generate_series(1, contacts.n) as i
  )) as u;
$$;

-- One contact as given; identified by its external_id.
create or replace function drip_test.contact(organization_id bigint, external_id text, extra jsonb default '{}')
returns bigint
language sql
volatile
as $$
  select drip.upsert_contact(contact.organization_id, jsonb_build_object(
    'external_id', contact.external_id,
    'email', contact.external_id || '@example.net',
    'first_name', 'Ann'
  ) || contact.extra);
$$;

-- The definition of a sequence of email steps s1 ... sn: the first due at once, the others a day apart.
create or replace function drip_test.email_definition(key text, steps int default 3, extra jsonb default '{}')
returns jsonb
language sql
immutable
as $$
  select jsonb_build_object(
    'key', email_definition.key,
    'name', 'Sequence ' || email_definition.key,
    'steps', (
      select jsonb_agg(jsonb_build_object(
        'key', 's' || i,
        'channel', 'email',
        'delay', case i when 1 then '0' else '1 day' end,
        'subject', 'Subject ' || i,
        'text', 'Hello {{ contact.first_name | default: ''there'' }}, this is message ' || i || '.'
      ) order by i)
      from generate_series(1, email_definition.steps) as i
    )
  ) || email_definition.extra;
$$;

-- Publishes such a sequence and returns its id.
create or replace function drip_test.email_sequence(organization_id bigint, key text, steps int default 3, extra jsonb default '{}')
returns bigint
language sql
volatile
as $$
  select s.sequence_id
  from drip.apply_sequence(
    email_sequence.organization_id, drip_test.email_definition(email_sequence.key, email_sequence.steps, email_sequence.extra)) as s;
$$;

-- Moves the clock until the end of the transaction; null gives it back.
create or replace function drip_test.at(moment timestamptz)
returns void
language sql
volatile
as $$
  select set_config('drip.now', coalesce(at.moment::text, ''), true);
$$;

-- Claims everything that is due (of one organization; by default the one the test speaks for) and settles each message with one outcome; `extra` is
-- merged into every result (reason, retry_at, error_code, ...). Returns the dispositions with their counts.
create or replace function drip_test.settle(
  outcome text default 'sent', organization_id bigint default drip_test.org(), extra jsonb default '{}'
)
returns jsonb
language plpgsql
volatile
as $$
declare
  v_claims drip.claimed_message[];
  v_all text[] := '{}';
  v_some text[];
begin
  for v_round in 1 .. 10000 loop
    v_claims := array(select m from drip.claim(batch_size => 500, organization_id => settle.organization_id) as m);
    exit when cardinality(v_claims) = 0;
    select array_agg(a.disposition)
    into v_some
    from drip.advance((
      select jsonb_agg(jsonb_build_object(
        'organization_id', c.organization_id,
        'enrollment_id', c.enrollment_id,
        'claim_token', c.claim_token,
        'outcome', settle.outcome
      ) || settle.extra)
      from unnest(v_claims) as c
    )) as a;
    v_all := v_all || v_some;
  end loop;
  return (
    select coalesce(jsonb_object_agg(d.disposition, d.n), '{}')
    from (select x.disposition, count(*) as n from unnest(v_all) as x (disposition) group by x.disposition) as d
  );
end;
$$;

-- Status and reason of an enrollment, as one word each: 'exited/replied', 'active/-'.
create or replace function drip_test.state(organization_id bigint, enrollment_id bigint)
returns text
language sql
stable
security definer
set search_path = ''
as $$
  select e.status || '/' || coalesce(e.status_reason::text, '-')
  from drip_core.enrollments as e
  where e.organization_id = state.organization_id and e.id = state.enrollment_id;
$$;

-- The types of an enrollment's events, oldest first, joined by a blank.
create or replace function drip_test.events(organization_id bigint, enrollment_id bigint)
returns text
language sql
stable
security definer
set search_path = ''
as $$
  select coalesce(string_agg(v.type::text, ' ' order by v.id), '')
  from drip_core.events as v
  where v.organization_id = events.organization_id and v.enrollment_id = events.enrollment_id;
$$;

-- SQLSTATE, message and DETAIL of the error that a statement raises ('PT404 | sequence not found | sequence_key: x');
-- 'no error' when it raises none (and what it wrote stays).
create or replace function drip_test.error_of(statement text)
returns text
language plpgsql
volatile
as $$
declare
  v_detail text;
begin
  execute error_of.statement;
  return 'no error';
exception
  when others then
    get stacked diagnostics v_detail = pg_exception_detail;
    return concat_ws(' | ', sqlstate, sqlerrm, nullif(v_detail, ''));
end;
$$;

-- One pgTAP line: nothing in drip_core.invariant_violations. Superuser only.
create or replace function drip_test.no_violations(description text default 'no invariant is violated')
returns text
language plpgsql
volatile
-- compiling it takes seconds, running it on a few rows milliseconds
set jit = off
as $$
declare
  v_found text;
begin
  select string_agg(format('%s (organization %s): %s', v.rule, v.organization_id, v.detail), e'\n')
  into v_found
  from drip_core.invariant_violations as v;
  return is(v_found, null, no_violations.description);
end;
$$;

-- Everything that the session asks of all organizations (tick, next_due_at, claim) is about this one from now on.
create or replace function drip_test.just(organization_id bigint)
returns void
language sql
volatile
as $$
  insert into drip_core.login_organizations (organization_id, login) values ($1, session_user);
$$;

-- Enrolls contacts in a sequence; the ids of the enrollments in the order of the contacts.
create or replace function drip_test.enrolled(organization_id bigint, key text, contact_ids bigint[], start_at timestamptz default null)
returns bigint[]
language sql
volatile
as $$
  select coalesce(array_agg(r.enrollment_id order by array_position(enrolled.contact_ids, r.contact_id)), '{}')
  from drip.enroll_many(enrolled.organization_id, enrolled.key, enrolled.contact_ids, enrolled.start_at) as r
  where r.outcome = 'enrolled';
$$;

-- Claims once; [{organization_id, enrollment_id, claim_token}] in the order of their enrollments (a claim promises no order).
create or replace function drip_test.claims(organization_id bigint, batch_size int default 100, lease interval default '5 minutes')
returns jsonb
language sql
volatile
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'organization_id', c.organization_id, 'enrollment_id', c.enrollment_id, 'claim_token', c.claim_token) order by c.enrollment_id), '[]')
  from drip.claim(claims.batch_size, claims.lease, 'test', claims.organization_id) as c
$$;

-- Settles such claims with one outcome; the dispositions in order, joined by a blank.
create or replace function drip_test.report(claims jsonb, outcome text default 'sent', extra jsonb default '{}')
returns text
language sql
volatile
as $$
  select coalesce(string_agg(a.disposition, ' ' order by a.ordinality), '')
  from drip.advance((
    select coalesce(jsonb_agg(c.claim || jsonb_build_object('outcome', report.outcome) || report.extra order by c.ordinal), '[]')
    from jsonb_array_elements(report.claims) with ordinality as c (claim, ordinal)
  )) with ordinality as a;
$$;

-- A body without the footer that every email gets.
create or replace function drip_test.without_footer(body text)
returns text
language sql
immutable
as $$
  select regexp_replace(split_part(without_footer.body, e'\n\n---\n', 1), '<p style="font-size:12px[^>]*>.*?</p>', '');
$$;

-- Where an enrollment stands: 'active s2, attempt 0, due 2026-03-02 09:00'; times in UTC, 'held' where it has no clock.
create or replace function drip_test.place(organization_id bigint, enrollment_id bigint)
returns text
language sql
stable
as $$
  select concat_ws(', ',
    concat_ws(' ', e.status, s.key),
    'attempt ' || e.attempt,
    case
      when e.next_step_at is not null then 'due ' || to_char(e.next_step_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
      when e.status in ('active', 'paused') then 'held'
    end)
  from drip_core.enrollments as e
  left join drip_core.steps as s on s.organization_id = e.organization_id and s.id = e.step_id
  where e.organization_id = place.organization_id and e.id = place.enrollment_id;
$$;

-- The books of a sender: 'used 3: 1 leased, 0 held, 2 sent'; 'used' is the lane's counter, the others are counted from rows.
create or replace function drip_test.books(organization_id bigint, account_key text)
returns text
language sql
stable
as $$
  select format('used %s: %s leased, %s held, %s sent', l.used,
    (
      select count(*) from drip_core.enrollments as e
      where e.organization_id = a.organization_id and e.channel_account_id = a.id and e.lease_expires_at is not null
    ),
    (select count(*) from drip_core.held_messages as h where h.organization_id = a.organization_id and h.channel_account_id = a.id),
    (
      select count(*) from drip_core.messages as m
      where m.organization_id = a.organization_id and m.channel_account_id = a.id and m.status = 'sent' and m.lane_day = l.counter_day
    ))
  from drip_core.channel_accounts as a
  join drip_core.lanes as l on l.organization_id = a.organization_id and l.channel_account_id = a.id
  where a.organization_id = books.organization_id and a.key = books.account_key;
$$;

-- The newest enrollment of a contact of that organization, by the contact's external_id.
create or replace function drip_test.enrollment(external_id text, sequence_key text default null)
returns bigint
language sql
stable
as $$
  select max(e.id)
  from drip_core.enrollments as e
  join drip_core.contacts as c on c.organization_id = e.organization_id and c.id = e.contact_id
  join drip_core.sequences as s on s.organization_id = e.organization_id and s.id = e.sequence_id
  where e.organization_id = drip_test.org() and c.external_id = enrollment.external_id
    and (enrollment.sequence_key is null or s.key = enrollment.sequence_key);
$$;
