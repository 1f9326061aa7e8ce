-- Of the format() strings of a step, joined to one: what its messages have beside their values, in bytes; the most that a byte
-- of a value can become (6 per mention in html: &quot;); for each field how often it is mentioned as it is; and how often
-- escaped for html. Mentions of links that are made when the message is rendered count link_size each.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._message_weights(formats text, field_count int, link_size int)
returns int[]
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_n constant int := _message_weights.field_count;
  v_size int := octet_length(_message_weights.formats);
  v_most int := 0;
  v_plain int[] := array_fill(0, array[v_n]);
  v_escaped int[] := array_fill(0, array[v_n]);
  v_piece text;
  v_argument int;
  v_place int;
begin
  foreach v_piece in array string_to_array(replace(_message_weights.formats, '%%', ''), '%') loop
    v_argument := substring(left(v_piece, 9) from '^([0-9]{1,7})\$s')::int;
    continue when v_argument is null;
    -- three blocks, each with an empty value at its end (_format_arguments); what stands behind them is a link
    v_place := (v_argument - 1) % (v_n + 1) + 1;
    if v_n = 0 or v_argument > 3 * (v_n + 1) then
      v_size := v_size + _message_weights.link_size;
    elsif v_place > v_n then
      null;
    elsif v_argument > v_n + 1 and v_argument <= 2 * (v_n + 1) then
      v_escaped[v_place] := v_escaped[v_place] + 1;
      v_most := greatest(v_most, v_plain[v_place] + 6 * v_escaped[v_place]);
    else
      v_plain[v_place] := v_plain[v_place] + 1;
      v_most := greatest(v_most, v_plain[v_place] + 6 * v_escaped[v_place]);
    end if;
  end loop;
  return array[v_size, v_most] || v_plain || v_escaped;
end;
$$;

revoke all on function drip_core._message_weights(text, int, int) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._message_weights(text, int, int) is
'Of format() strings: their own size, the most that a byte of a value can become, and how often each field is mentioned as it is and escaped.';
