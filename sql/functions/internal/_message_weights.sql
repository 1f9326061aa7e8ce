-- Of the format() strings of a step, joined to one: what its messages have beside their values, in bytes; the most that a byte
-- of a value can become (6 per mention in html: &quot;); for each field how often it is mentioned as it is; and how often
-- escaped for html. Mentions of links that are made when the message is rendered count link_size each.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._message_weights(formats text, field_count int, link_size int)
returns int[]
language sql
immutable
parallel safe
begin atomic
  with mentions as (
    select
      -- which of the three blocks of _format_arguments, and which place in it; none: a link
      case when m.argument <= 3 * (_message_weights.field_count + 1) and _message_weights.field_count > 0
          then (m.argument - 1) / (_message_weights.field_count + 1)
      end as block,
      (m.argument - 1) % (_message_weights.field_count + 1) + 1 as place,
      count(*)::int as n
    from (
      select substring(p.piece from '^([0-9]{1,7})\$s')::int as argument
      from unnest(string_to_array(replace(_message_weights.formats, '%%', ''), '%')) as p (piece)
    ) as m
    where m.argument is not null
    group by 1, 2
  ),

  fields as (
    select
      f.place,
      coalesce(sum(m.n) filter (where m.block <> 1), 0)::int as plain,
      coalesce(sum(m.n) filter (where m.block = 1), 0)::int as escaped
    from generate_series(1, _message_weights.field_count) as f (place)
    left join mentions as m on f.place = m.place and m.block is not null
    group by f.place
  )

  select
    array[
      coalesce(octet_length(replace(_message_weights.formats, '%%', '%')), 0)
      + _message_weights.link_size * (select coalesce(sum(l.n), 0)::int from mentions as l where l.block is null),
      coalesce(max(f.plain + 6 * f.escaped), 0)
    ]
    || coalesce(array_agg(f.plain order by f.place), '{}')
    || coalesce(array_agg(f.escaped order by f.place), '{}')
  from fields as f;
end;

revoke all on function drip_core._message_weights(text, int, int) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._message_weights(text, int, int) is
'Of format() strings: their own size, the most that a byte of a value can become, and how often each field is mentioned as it is and escaped.';
