-- What the isolation and the fuzz tests need in a database of theirs; read by api_surface.py.

-- On top of pg_temp.fill: what of an organization (mark: a letter) has names of its own, and what nobody else may see.
create function pg_temp.more(mark text, hidden text)
returns void
language plpgsql
as $body$
declare
  v_org constant bigint := drip_test.org();
  v_hidden constant text := hidden;
  v_ids bigint[];
begin
  perform drip_test.mailbox(v_org, 'box-' || mark, jsonb_build_object(
    'display_name', v_hidden, 'address', 'box-' || mark || '@hidden.example', 'secret_ref', 'SECRET_' || upper(mark),
    'config', jsonb_build_object('host', v_hidden, 'webhook', jsonb_build_object('public_key', v_hidden),
      'inbox', jsonb_build_object('host', v_hidden))));
  perform drip_test.mailbox(v_org, 'spare-' || mark);
  perform drip.apply_whatsapp_template(v_org, jsonb_build_object('name', 'template_' || mark, 'status', 'approved',
    'components', jsonb_build_array(jsonb_build_object('type', 'BODY', 'text', v_hidden))));
  perform drip_test.email_sequence(v_org, 'sequence-' || mark, 3, jsonb_build_object('name', v_hidden,
    'senders', jsonb_build_array(jsonb_build_object('account', 'box-' || mark))));
  perform drip_test.contact(v_org, 'person-' || mark || n, jsonb_build_object('email', 'person-' || mark || n || '@' || mark || '.example',
    'first_name', v_hidden, 'company', v_hidden, 'phone', '+4930' || (case mark when 'a' then 70000 else 80000 end + n),
    'tags', jsonb_build_array('tag-' || mark), 'attributes', jsonb_build_object('note', v_hidden)))
  from generate_series(1, 7) as n;
  perform drip.upsert_deal(v_org, jsonb_build_object('external_id', 'deal-' || mark, 'contact_external_id', 'person-' || mark || '1',
    'name', v_hidden, 'stage', 'stage-' || mark));
  -- 1 sent, 2 held, 3 failed, 4 in flight, 5 paused, 6 due, 7 not enrolled
  for v_place in 1 .. 6 loop
    v_ids := drip_test.enrolled(v_org, 'sequence-' || mark,
      array[(select id from drip_core.contacts where organization_id = v_org and external_id = 'person-' || mark || v_place)]);
    case v_place
      when 1 then perform drip_test.report(drip_test.claims(v_org), 'sent', jsonb_build_object('provider_message_id', '<sent@' || mark || '>'));
      when 2 then perform drip_test.report(drip_test.claims(v_org), 'unknown');
      when 3 then perform drip_test.report(drip_test.claims(v_org), 'rejected', '{"reason": "rejected_content"}');
      when 4 then perform drip_test.claims(v_org);
      when 5 then perform drip.pause_enrollment(v_org, v_ids[1], v_hidden);
      else null;
    end case;
  end loop;
  perform drip.send_test(v_org, 'sequence-' || mark, 's1',
    (select id from drip_core.contacts where organization_id = v_org and external_id = 'person-' || mark || '1'), 'admin-' || mark || '@members.example');
  perform drip.record_inbound(v_org, jsonb_build_object('channel', 'email', 'from_address', 'person-' || mark || '7@' || mark || '.example',
    'text', v_hidden, 'external_id', 'in-' || mark));
  perform drip.record_provider_event(v_org, jsonb_build_object('provider_message_id', '<sent@' || mark || '>', 'type', 'delivered',
    'external_id', 'report-' || mark));
  perform drip.suppress(v_org, 'email', 'gone@' || mark || '.example');
end
$body$;

-- What identifies things of that organization.
create function pg_temp.ids(organization_id bigint, mark text)
returns jsonb
language sql
as $$
select jsonb_build_object(
  'organization_id', $1,
  'contact_id', (select id from drip_core.contacts where organization_id = $1 and external_id = 'person-' || $2 || '1'),
  'idle_contact_id', (select id from drip_core.contacts where organization_id = $1 and external_id = 'person-' || $2 || '7'),
  'deal_id', (select id from drip_core.deals where organization_id = $1 and external_id = 'deal-' || $2),
  'channel_account_id', (select id from drip_core.channel_accounts where organization_id = $1 and key = 'box-' || $2),
  'sequence_id', (select id from drip_core.sequences where organization_id = $1 and key = 'sequence-' || $2)
) || (
  select jsonb_object_agg(x.name, e.id)
  from (values ('sent_id', '1'), ('held_id', '2'), ('failed_id', '3'), ('leased_id', '4'), ('paused_id', '5'), ('due_id', '6')) as x (name, place)
  join drip_core.contacts as c on c.organization_id = $1 and c.external_id = 'person-' || $2 || x.place
  join drip_core.enrollments as e on e.organization_id = c.organization_id and e.contact_id = c.id
) || jsonb_build_object(
  'held_token', (
    select h.claim_token from drip_core.held_messages as h join drip_core.channel_accounts as a
      on a.organization_id = h.organization_id and a.id = h.channel_account_id
    where h.organization_id = $1 and a.key = 'box-' || $2
  ),
  'leased_token', (
    select e.claim_token from drip_core.enrollments as e join drip_core.contacts as c
      on c.organization_id = e.organization_id and c.id = e.contact_id
    where e.organization_id = $1 and c.external_id = 'person-' || $2 || '4'
  ),
  'event_id', (select max(id) from drip_core.events where organization_id = $1)
);
$$;

-- The tokens of its message that was sent: the link's, then the message's.
create function pg_temp.tokens(organization_id bigint, enrollment_id bigint)
returns setof text
language sql
as $$
select drip_core._make_token(k.id, k.inner_pad, k.outer_pad, p.name, $1, m.enrollment_id, m.step_id)
from drip_core.messages as m
cross join (values ('message'), ('link')) as p (name)
join drip_core.secret_keys as k on k.purpose = 'link' and k.is_current
where m.organization_id = $1 and m.enrollment_id = $2
order by p.name;
$$;

-- A hash over all rows of an organization (null: of all), as whoever calls it has left them in this transaction; says nothing else.
create function drip_test.make_fingerprint()
returns void
language plpgsql
as $make$
declare
  v_parts text;
begin
  select string_agg(
    format('(select md5(coalesce(string_agg(t::text, %L order by t::text), %L)) from drip_core.%I as t where %s)', e'\n', '', c.relname,
      case
        when c.relname = 'organizations' then '$1 is null or t.id = $1'
        when exists (select from pg_attribute as a where a.attrelid = c.oid and a.attname = 'organization_id' and not a.attisdropped)
        then '$1 is null or t.organization_id = $1'
        -- people and the operator's notes belong to no organization; lookups and secrets change for nobody
        when c.relname in ('profiles', 'retention', 'migration_state') then '$1 is null'
        else 'true'
      end),
    ', ' order by c.relname)
  into v_parts
  from pg_class as c
  where c.relnamespace = 'drip_core'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition;
  execute format(
    'create or replace function drip_test.fingerprint(organization_id bigint) returns text language plpgsql security definer'
    ' set plan_cache_mode = force_generic_plan as $f$ begin return md5(concat(%s)); end $f$', v_parts);
end;
$make$;

-- All rows of an organization as text, each with the name of its table, as whoever calls it has left them in this transaction.
create function drip_test.make_rows()
returns void
language plpgsql
as $make$
declare
  v_parts text;
begin
  select string_agg(
    format('select %L || t::text from drip_core.%I as t where %s = $1', c.relname || ' ', c.relname,
      case c.relname when 'organizations' then 't.id' else 't.organization_id' end), ' union all ' order by c.relname)
  into v_parts
  from pg_class as c
  where c.relnamespace = 'drip_core'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    and (c.relname = 'organizations' or exists (
      select from pg_attribute as a where a.attrelid = c.oid and a.attname = 'organization_id' and not a.attisdropped
    ));
  execute format(
    'create or replace function drip_test.rows_of(organization_id bigint) returns setof text language plpgsql security definer'
    ' as $f$ begin return query %s; end $f$', v_parts);
end;
$make$;

-- Runs statements one after the other, each for itself, and says what each answered: rows as text, or the error with its
-- place; what succeeded stays.
create function drip_test.attempt(statements text[])
returns table (answer text, code text, message text, detail text, hint text, place text)
language plpgsql
as $$
declare
  v_statement text;
begin
  foreach v_statement in array statements loop
    answer := null;
    code := null;
    message := null;
    detail := null;
    hint := null;
    place := null;
    begin
      execute format('select string_agg(x.r, e''\n'') from (%s) as x', v_statement) into answer;
    exception
      when others then
        get stacked diagnostics
          code = returned_sqlstate, message = message_text, detail = pg_exception_detail, hint = pg_exception_hint, place = pg_exception_context;
    end;
    return next;
  end loop;
end;
$$;

-- What drip_core.invariant_violations says, as whoever calls it has left the rows in this transaction.
create function drip_test.violations()
returns text
language sql
security definer
as $$
  select string_agg(format('%s (organization %s): %s', v.rule, v.organization_id, v.detail), e'\n') from drip_core.invariant_violations as v;
$$;

-- What goes on after it: the engine works on what was stored, everybody reads it. What fails there, with its place.
create function drip_test.aftermath(organization_id bigint)
returns setof text
language plpgsql
security definer
as $$
declare
  v_statement text;
  v_place text;
begin
  for v_statement in
    select format('select count(x.*::text) from drip.%s as x', c.call)
    from unnest(array[
      'claim(50)', 'tick()', 'next_due_at()', format('list_contacts(%s)', $1), format('list_enrollments(%s)', $1),
      format('list_sequences(%s)', $1), format('list_channel_accounts(%s)', $1)
    ]) as c (call)
    union all
    select format('select count(v.*::text) from %s as v', c.oid::regclass)
    from pg_class as c
    where c.relkind = 'v' and c.relnamespace = 'drip_report'::regnamespace
    union all
    select format('select count(x.*::text) from drip_core.enrollments as e cross join lateral drip.why(%1$s, e.id) as x where e.organization_id = %1$s', $1)
    union all
    select format('select count(drip.export_contact(%1$s, c.id)::text) from drip_core.contacts as c where c.organization_id = %1$s and c.erased_at is null', $1)
    union all
    select format('select count(drip.get_sequence(%1$s, s.key)::text) from drip_core.sequences as s where s.organization_id = %1$s and s.current_version is not null', $1)
  loop
    begin
      execute v_statement;
    exception
      when others then
        get stacked diagnostics v_place = pg_exception_context;
        return next format('%s %s in %s at %s', sqlstate, sqlerrm, v_statement, split_part(v_place, e'\n', 1));
    end;
  end loop;
end;
$$;
