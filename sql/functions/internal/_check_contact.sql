-- requires: functions/internal/_unknown_keys.sql, functions/internal/_is_timezone.sql, functions/internal/_normalise_phone.sql
-- The first problem of a contact as JSON, as one sentence; null: it can be stored.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._check_contact(contact jsonb)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_contact constant jsonb := _check_contact.contact;
  v_problem text;
  v_key text;
begin
  if v_contact is null or jsonb_typeof(v_contact) <> 'object' then
    return 'a contact is a JSON object';
  end if;
  if octet_length(v_contact::text) > 100000 then
    return 'a contact has at most 100,000 bytes';
  end if;
  select p.path || ': ' || p.message
  into v_problem
  from drip_core._unknown_keys(v_contact, array[
    'external_id', 'email', 'phone', 'first_name', 'last_name', 'company', 'timezone', 'tags', 'attributes', 'consent'
  ], '') as p
  limit 1;
  if v_problem is not null then
    return v_problem;
  end if;
  foreach v_key in array array['external_id', 'email', 'phone', 'first_name', 'last_name', 'company', 'timezone'] loop
    if jsonb_typeof(coalesce(v_contact -> v_key, 'null')) not in ('string', 'null') then
      return format('%s: a text is needed', v_key);
    end if;
    if length(v_contact ->> v_key) > 500 then
      return format('%s: at most 500 characters', v_key);
    end if;
  end loop;
  if btrim(concat(v_contact ->> 'external_id', v_contact ->> 'email', v_contact ->> 'phone')) = '' then
    return 'nothing identifies the contact: give external_id, email or phone';
  end if;
  if btrim(v_contact ->> 'external_id') = '' then
    return 'external_id: is blank';
  end if;
  if btrim(v_contact ->> 'email') <> '' and btrim(v_contact ->> 'email') !~ '^[^@[:space:]<>,;]+@[^@[:space:]<>,;.]+(\.[^@[:space:]<>,;.]+)+$' then
    return format('email: "%s" is not an email address', left(v_contact ->> 'email', 100));
  end if;
  if btrim(v_contact ->> 'phone') <> '' and drip_core._normalise_phone(v_contact ->> 'phone') !~ '^\+[1-9][0-9]{6,14}$' then
    return format('phone: "%s" is not an international number such as +4930123456', left(v_contact ->> 'phone', 40));
  end if;
  if btrim(v_contact ->> 'timezone') <> '' and not drip_core._is_timezone(btrim(v_contact ->> 'timezone')) then
    return format('timezone: "%s" is not a zone name; use Area/City such as Europe/Berlin', left(v_contact ->> 'timezone', 60));
  end if;
  if jsonb_typeof(coalesce(v_contact -> 'tags', 'null')) not in ('array', 'null')
    or exists (
      select from jsonb_array_elements(case when jsonb_typeof(v_contact -> 'tags') = 'array' then v_contact -> 'tags' else '[]' end) as t
      where jsonb_typeof(t.value) <> 'string' or btrim(t.value #>> '{}') = '' or length(t.value #>> '{}') > 100
    )
  then
    return 'tags: a list of texts of 1 to 100 characters is needed';
  end if;
  if jsonb_typeof(v_contact -> 'tags') = 'array' and jsonb_array_length(v_contact -> 'tags') > 1000 then
    return 'tags: at most 1,000';
  end if;
  if jsonb_typeof(coalesce(v_contact -> 'attributes', 'null')) not in ('object', 'null') then
    return 'attributes: an object is needed';
  end if;
  if jsonb_typeof(coalesce(v_contact -> 'consent', 'null')) not in ('object', 'null') then
    return 'consent: an object from channel to "opted_in" or "opted_out" is needed';
  end if;
  select format('consent.%s: a known channel with "opted_in" or "opted_out" is needed', left(c.key, 40))
  into v_problem
  from jsonb_each_text(case when jsonb_typeof(v_contact -> 'consent') = 'object' then v_contact -> 'consent' else '{}' end) as c
  where coalesce(c.value, '') not in ('opted_in', 'opted_out')
    or c.key not in (select e.name::text from unnest(enum_range(null::drip.channel)) as e (name))
  limit 1;
  return v_problem;
end;
$$;

revoke all on function drip_core._check_contact(jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._check_contact(jsonb) is 'The first problem of a contact given as JSON, or null.';
