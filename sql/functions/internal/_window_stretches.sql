-- The stretches of a sending window as it is written, each with its path: the window itself, those of its "hours", or, of a
-- list of windows, each of them.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._window_stretches(sending_window jsonb)
returns table (path text, stretch jsonb)
language sql
immutable
parallel safe
begin atomic
  select
    k.path,
    k.stretch
  from (
    select
      format('[%s]', l.ordinal - 1) as path,
      l.stretch,
      l.ordinal
    from jsonb_array_elements(case when jsonb_typeof(_window_stretches.sending_window) = 'array' then _window_stretches.sending_window else '[]' end)
      with ordinality as l (stretch, ordinal)
    union all
    select
      format('.hours[%s]', h.ordinal - 1) as path,
      h.stretch,
      h.ordinal
    from jsonb_array_elements(
        case when jsonb_typeof(_window_stretches.sending_window -> 'hours') = 'array' then _window_stretches.sending_window -> 'hours' else '[]' end
      ) with ordinality as h (stretch, ordinal)
    union all
    select
      '' as path,
      _window_stretches.sending_window as stretch,
      1 as ordinal
    where jsonb_typeof(_window_stretches.sending_window) = 'object' and not _window_stretches.sending_window ? 'hours'
  ) as k
  order by k.ordinal;
end;

revoke all on function drip_core._window_stretches(jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._window_stretches(jsonb) is 'The stretches of a sending window as it is written, each with its path.';
