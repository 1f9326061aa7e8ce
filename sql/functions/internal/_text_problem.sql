-- The first of some keys of a JSON object whose value is no text, or too long a one, as one sentence; null for none. A number
-- counts as its text. Values are not repeated: they may be secrets. Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._text_problem(object jsonb, keys text[], most int, argument text)
returns text
language sql
immutable
parallel safe
begin atomic
  select
    case
      when jsonb_typeof(_text_problem.object -> k.key) not in ('string', 'number', 'null')
        then format('%s.%s: a text is needed', _text_problem.argument, k.key)
      else format('%s.%s: at most %s characters', _text_problem.argument, k.key, _text_problem.most)
    end
  from unnest(_text_problem.keys) with ordinality as k (key, ordinal)
  where jsonb_typeof(_text_problem.object -> k.key) not in ('string', 'number', 'null')
    or length(_text_problem.object ->> k.key) > _text_problem.most
  order by k.ordinal
  limit 1;
end;

revoke all on function drip_core._text_problem(jsonb, text[], int, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._text_problem(jsonb, text[], int, text) is 'The first of some keys of an object that has no text, or too long a one; null for none.';
