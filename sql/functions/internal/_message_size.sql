-- requires: functions/internal/_escape_html.sql
-- How large a message will be, in bytes, without rendering it: see _message_weights. To be asked only where the crude estimate
-- (weights[1] + weights[2] * size of the values) is large: it escapes the values.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._message_size(weights int[], field_values text[])
returns bigint
language sql
immutable
parallel safe
begin atomic
  select
    greatest(
      _message_size.weights[1] + coalesce(sum(
        octet_length(v.value)::bigint * v.plain
        + case when v.escaped > 0 then octet_length(drip_core._escape_html(v.value))::bigint * v.escaped else 0 end
      ), 0),
      -- however often they are mentioned
      sum(octet_length(v.value)::bigint)
    )::bigint
  from unnest(
      _message_size.field_values,
      _message_size.weights[3:2 + cardinality(_message_size.field_values)],
      _message_size.weights[3 + cardinality(_message_size.field_values):]
    ) as v (value, plain, escaped);
end;

revoke all on function drip_core._message_size(int[], text[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._message_size(int[], text[]) is 'Bytes of a message with these values, without rendering it.';
