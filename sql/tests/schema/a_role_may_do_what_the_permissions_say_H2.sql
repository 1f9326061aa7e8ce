-- Every API function that takes an organization, called by each role: refused exactly where drip_core.role_permissions says so.
-- Arguments are null, which those who may call are told in other words; the decision comes first.
begin;
select plan(13);
select drip_test.keep('a', drip_test.organization('A'));
insert into drip_core.profiles (id) select ('00000000-0000-0000-0000-00000000000' || n)::uuid from generate_series(1, 4) as n;
insert into drip_core.members (organization_id, profile_id, role, email)
select
  drip_test.kept('a'),
  ('00000000-0000-0000-0000-00000000000' || r.n)::uuid,
  r.name::drip.member_role,
  r.name || '@example.com'
from unnest(array['owner', 'admin', 'member', 'viewer']) with ordinality as r (name, n);

create temporary view api as
select
  p.proname::text as name,
  format('select drip.%I(%s)', p.proname, (
    select
      string_agg(
        case when a.name = 'organization_id' then drip_test.kept('a')::text else format('%I => null::%s', a.name, a.type::regtype) end,
        ', ' order by a.ordinal
      )
    from unnest(p.proargnames[1:p.pronargs], p.proargtypes::oid[]) with ordinality as a (name, type, ordinal)
    where a.ordinal <= p.pronargs - p.pronargdefaults
  )) as statement
from pg_proc as p
where p.pronamespace = 'drip'::regnamespace and p.proargnames[1:p.pronargs] @> array['organization_id']
  and has_function_privilege('drip_app', p.oid, 'execute');
create temporary table calls on commit drop as select
  api.name,
  api.statement
from api;
grant select on calls to drip_app;
create temporary table permissions on commit drop as
select
  p.permission as name,
  p.least_role
from drip_core.role_permissions as p;
grant select on permissions to drip_app;

select set_eq(
  $$ select name from calls union all values ('assign_owner') $$, $$ select name from permissions $$,
  'H2: every function of the API that takes an organization has a permission, and no permission is idle'
);
select is_empty(
  $$
    select c.name from calls as c
    join pg_proc as p on p.pronamespace = 'drip'::regnamespace and p.proname = c.name
    where p.prosrc !~ format('_(require_permission|authorize|require_lane|require_served_organization)\([^;]*''%s''', c.name)
  $$,
  'H2: it asks for the permission of its own name, in the one place for that'
);

create role drip_test_web login in role drip_app;
set local session authorization drip_test_web;
select is(session_user::text || '/' || current_user::text, 'drip_test_web/drip_test_web', 'the test is an application login');
select drip_test.act_for(null);
create function pg_temp.refused_to(p_role text)
returns setof text
language plpgsql
as $$
declare
  v_call record;
  v_answer text;
begin
  perform set_config('request.jwt.claims', jsonb_build_object(
    'sub', '00000000-0000-0000-0000-00000000000' || array_position(enum_range(null::drip.member_role)::text[], p_role))::text, true);
  for v_call in select c.name, c.statement from calls as c order by c.name loop
    v_answer := drip_test.error_of(v_call.statement);
    if v_answer ~ '^PT404 \| organization' then
      raise exception '% did not find its own organization: %', v_call.name, v_answer;
    end if;
    if v_answer like 'PT403 | not allowed | %' then
      return next v_call.name;
    end if;
  end loop;
end;
$$;
select
  set_eq(
    format('select pg_temp.refused_to(%L)', r.name),
    format('select p.name from permissions as p where p.least_role < %L and p.name <> ''assign_owner''', r.name),
    'H2: ' || r.name || ' may do exactly what the permissions say'
  )
from unnest(array['owner', 'admin', 'member', 'viewer']) as r (name);
select is(
  drip_test.error_of(format('select drip.enroll(%s, ''x'', 1)', drip_test.kept('a'))),
  'PT403 | not allowed | enroll needs the role member; yours is viewer', 'H2: a refusal says what is needed'
);

-- nobody raises itself
select set_config('request.jwt.claims', '{"sub": "00000000-0000-0000-0000-000000000002"}', true);
select matches(
  drip_test.error_of(format('select drip.add_member(%s, ''00000000-0000-0000-0000-000000000002'', ''a@example.com'', role => ''owner'')', drip_test.kept('a'))),
  '^PT403 \| not allowed \| assign_owner needs the role owner; yours is admin', 'H2: an admin makes no owner'
);
select matches(
  drip_test.error_of(
    format('select drip.add_member(%s, ''00000000-0000-0000-0000-000000000001'', ''a@example.com'', role => ''viewer'')', drip_test.kept('a'))
  ),
  '^PT403', 'H2: nor does it unmake one'
);
reset session authorization;

-- a bound login acts with the role it was bound with; what it claims can only narrow it
create role drip_test_bound login in role drip_app;
insert into drip_core.login_organizations (organization_id, login, role) values (drip_test.kept('a'), 'drip_test_bound', 'member');
select set_config('request.jwt.claims', '', true);
set local session authorization drip_test_bound;
select is(
  concat_ws(' / ', drip_test.error_of(format('select drip.update_organization(%s, ''{}'')', drip_test.kept('a'))), (
    select set_config('request.jwt.claims', '{"sub": "00000000-0000-0000-0000-000000000001"}', true) is null
  ), drip_test.error_of(format('select drip.update_organization(%s, ''{}'')', drip_test.kept('a')))),
  'PT403 | not allowed | update_organization needs the role admin; yours is member / f / '
  || 'PT403 | not allowed | update_organization needs the role admin; yours is member',
  'H2: a login bound as member is no more by claiming to be the owner'
);
select set_config('request.jwt.claims', '{"sub": "00000000-0000-0000-0000-000000000004"}', true);
select matches(
  drip_test.error_of(format('select drip.upsert_contact(%s, ''{"external_id": "x"}'')', drip_test.kept('a'))), 'yours is viewer$',
  'H2: on behalf of a viewer it is one'
);
select set_config('request.jwt.claims', '{"sub": "00000000-0000-0000-0000-0000000000ff"}', true);
select matches(
  drip_test.error_of(format('select drip.list_sequences(%s)', drip_test.kept('a'))), '^PT404', 'H2: on behalf of a stranger it finds nothing'
);
reset session authorization;
select * from finish();
rollback;
