-- The problems of an argument as one text for the detail of an error: the first ones, each and all within bounds, and how many
-- more there are. Null: there are none. Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._list_problems(problems text[], separator text)
returns text
language sql
immutable
parallel safe
begin atomic
  select
    string_agg(p.line, _list_problems.separator order by p.place) filter (where p.until <= 8000)
    || case
      when count(*) > count(*) filter (where p.until <= 8000)
        then _list_problems.separator || format('and %s more', count(*) - count(*) filter (where p.until <= 8000))
      else ''
    end
  from (
    select
      x.place,
      left(x.problem, 1000) as line,
      sum(length(left(x.problem, 1000)) + length(_list_problems.separator)) over (order by x.place) as until
    from unnest(_list_problems.problems) with ordinality as x (problem, place)
  ) as p;
end;

revoke all on function drip_core._list_problems(text[], text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._list_problems(text[], text) is 'The problems of an argument as one text within bounds, and how many more there are; null: none.';
