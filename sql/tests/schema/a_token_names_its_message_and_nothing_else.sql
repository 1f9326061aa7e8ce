begin;
select plan(13);
create function pg_temp.token(p_purpose text, p_organization bigint, p_enrollment bigint, p_step bigint)
returns text
language sql
as $$
  select drip_core._make_token(k.key_id, k.inner_pad, k.outer_pad, p_purpose, p_organization, p_enrollment, p_step)
  from drip_core._current_key('link') as k;
$$;
create temporary table ids (organization_id bigint, enrollment_id bigint, step_id bigint) on commit drop;
insert into ids
select
  a.organization_id,
  b.enrollment_id,
  c.step_id
from unnest(array[1, 2, 77, 1099511627775]) as a (organization_id)
cross join unnest(array[1, 2, 16777215, 16777216, 281474976710655]) as b (enrollment_id)
cross join unnest(array[1, 2, 40, 1099511627775]) as c (step_id);

select is_empty(
  $$
    select i.organization_id, i.enrollment_id, i.step_id, p.purpose
    from ids as i
    cross join unnest(array['link', 'message']) as p (purpose)
    cross join lateral drip_core._read_token(pg_temp.token(p.purpose, i.organization_id, i.enrollment_id, i.step_id), p.purpose) as r
    where (r.organization_id, r.enrollment_id, r.step_id) is distinct from (i.organization_id, i.enrollment_id, i.step_id)
  $$,
  'L4: a token names the organization, enrollment and step it was made for'
);
select is(
  (
    select count(distinct pg_temp.token(p.purpose, i.organization_id, i.enrollment_id, i.step_id))
    from ids as i cross join unnest(array['link', 'message']) as p (purpose)
  ),
  160::bigint, 'L4: no two messages and no two purposes share a token'
);
select is(
  pg_temp.token('link', 1, 2, 3), pg_temp.token('link', 1, 2, 3), 'L4: the same message has the same token for ever'
);
select matches(pg_temp.token('link', 1, 2, 3), '^[0-9a-f]{66}$', 'L4: 66 hexadecimal digits: key id, 128 bits of MAC, masked ids');
select is(
  (select r.enrollment_id from drip_core._read_token(pg_temp.token('link', 1, 2, 3), 'message') as r), null,
  'H2: a link token is no message token'
);
select is(
  (select r.enrollment_id from drip_core._read_token(pg_temp.token('message', 1, 2, 3), 'link') as r), null,
  'H2: whoever knows a message token cannot use it as a link'
);
-- tokens of neighbouring ids have nothing in common beyond chance: 64 digits, 4 expected equal
select ok(
  (
    select max(matching) < 20
    from (
      select (
        select count(*) from generate_series(3, 66) as g (i)
        where substr(pg_temp.token('link', 1, n, 3), i, 1) = substr(pg_temp.token('link', 1, n + 1, 3), i, 1)
      ) as matching
      from generate_series(1, 50) as n
    ) as x
  ),
  'L4: the token of one enrollment does not tell that of the next'
);
select ok(
  (
    select max(matching) < 20
    from (
      select (
        select count(*) from generate_series(3, 66) as g (i)
        where substr(pg_temp.token('link', 1, n, 3), i, 1) = substr(pg_temp.token('message', 1, n, 3), i, 1)
      ) as matching
      from generate_series(1, 50) as n
    ) as x
  ),
  'L4: the message token does not tell the link token'
);
select is(
  (
    select count(*)
    from unnest(array[
        null, '', 'x', repeat('0', 66), repeat('f', 66), upper(pg_temp.token('link', 1, 2, 3)),
        pg_temp.token('link', 1, 2, 3) || '0', ' ' || pg_temp.token('link', 1, 2, 3)
      ]) as t (token
      )
    cross join lateral drip_core._read_token(t.token, 'link') as r
    where r.enrollment_id is not null
  ),
  0::bigint, 'L4: what is no token names nothing, and is no error'
);

-- a key of the first version, two pads: its tokens stay what they were, and are read
select is(
  (select array_agg(octet_length(k.inner_pad) + octet_length(k.outer_pad)) from drip_core._current_key('link') as k),
  array[64], 'L4: tokens are made with a key of two halves of 256 bits'
);
update drip_core.secret_keys set is_current = false
where purpose = 'link';
insert into drip_core.secret_keys (id, purpose, inner_pad, outer_pad)
values (200, 'link', drip_core._key_pad('a key of the first version', 54), drip_core._key_pad('a key of the first version', 92));
create temporary table first_token on commit drop as
select
  pg_temp.token('link', 5, 6, 7) as link_token,
  pg_temp.token('message', 5, 6, 7) as message_token;
select is(
  (
    select array[left(f.link_token, 34), left(f.message_token, 34)] from first_token as f
  ),
  (
    select
      array_agg('c8' || left(encode(drip_core._hmac_sha256(
        drip_core._key_pad('a key of the first version', 54), drip_core._key_pad('a key of the first version', 92),
        convert_to(p.purpose, 'UTF8') || int8send(5::bigint << 24) || int8send((6::bigint << 40) | 7)
      ), 'hex'), 32) order by p.purpose)
    from unnest(array['link', 'message']) as p (purpose)
  ),
  'L4: a key of the first version makes the tokens that it always made'
);
select drip_core._ensure_secret_keys();
select is(
  (
    select (f.link_token <> pg_temp.token('link', 5, 6, 7), r.organization_id, r.enrollment_id, r.step_id, m.enrollment_id)::text
    from first_token as f
    cross join lateral drip_core._read_token(f.link_token, 'link') as r
    cross join lateral drip_core._read_token(f.message_token, 'message') as m
  ),
  '(t,5,6,7,6)', 'L4: an upgrade makes a new key; tokens of the first version are read for ever'
);

-- rotation: a retired key still reads its tokens
create temporary table old_token on commit drop as select pg_temp.token('link', 5, 6, 7) as token;
update drip_core.secret_keys set is_current = false
where purpose = 'link';
select drip_core._ensure_secret_keys();
select is(
  (
    select (o.token <> pg_temp.token('link', 5, 6, 7), r.organization_id, r.enrollment_id, r.step_id)::text
    from old_token as o cross join lateral drip_core._read_token(o.token, 'link') as r
  ),
  '(t,5,6,7)', 'L4: links work for ever, also after the key was rotated'
);
select * from finish();
rollback;
