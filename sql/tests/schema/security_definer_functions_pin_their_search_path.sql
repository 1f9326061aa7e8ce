begin;
select plan(5);
select is_empty(
  $$
    select p.oid::regprocedure
    from pg_proc as p
    where p.pronamespace::regnamespace::text in ('drip', 'drip_core', 'drip_report')
      and (p.prosecdef or p.pronamespace = 'drip'::regnamespace) and not coalesce(p.proconfig @> array['search_path=pg_catalog, pg_temp'], false)
  $$,
  'L1: every definer function, and every one of the API, looks into pg_catalog first and into pg_temp last'
);
select is_empty(
  $$
    select p.oid::regprocedure
    from pg_proc as p
    join pg_language as l on l.oid = p.prolang
    where p.pronamespace::regnamespace::text in ('drip', 'drip_core', 'drip_report')
      and not coalesce(p.proconfig @> array['search_path=pg_catalog, pg_temp'], false)
      and (l.lanname <> 'sql' or p.prosqlbody is null)
  $$,
  'L1: every other function does so as well, or has a body that is bound when it is created'
);
select is_empty(
  $$
    select p.oid::regprocedure, p.proowner::regrole
    from pg_proc as p
    where p.pronamespace::regnamespace::text in ('drip', 'drip_core', 'drip_report')
      and p.proowner::regrole::text not in ('drip_owner', 'drip_engine')
  $$,
  'L1: every function belongs to one of the two owners'
);
select is_empty(
  $$
    select p.oid::regprocedure
    from pg_proc as p
    where p.pronamespace::regnamespace::text in ('drip', 'drip_core', 'drip_report') and p.prosecdef
      and not coalesce(p.proconfig @> array['debug_print_plan=off'], false)
  $$,
  'L7: no definer function shows its caller the plans of its statements, in which values and keys are constants'
);
select is_empty(
  $$
    select p.oid::regprocedure
    from pg_proc as p
    where p.pronamespace::regnamespace::text in ('drip', 'drip_core', 'drip_report') and p.prosecdef
      and not coalesce(p.proconfig @> array['standard_conforming_strings=on'], false)
  $$,
  'H2: no definer function has its strings read as its caller says: its regular expressions would be others'
);
select * from finish();
rollback;
