-- requires: functions/internal/_nearest_word.sql
-- One problem per key of a JSON object that is not known, naming the nearest known key.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._unknown_keys(object jsonb, known text[], at_path text)
returns table (path text, code text, message text)
language sql
immutable
parallel safe
begin atomic
  select
    concat_ws('.', nullif(_unknown_keys.at_path, ''), left(k.key, 60)) as path,
    'unknown_key' as code,
    format('"%s" is not a known key', left(k.key, 60))
    || coalesce(
      '; did you mean "' || drip_core._nearest_word(k.key, _unknown_keys.known) || '"?',
      '; known: ' || array_to_string(_unknown_keys.known, ', ')
    ) as message
  from jsonb_object_keys(case when jsonb_typeof(_unknown_keys.object) = 'object' then _unknown_keys.object else '{}' end) as k (key)
  where k.key <> all(_unknown_keys.known);
end;

revoke all on function drip_core._unknown_keys(jsonb, text[], text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._unknown_keys(jsonb, text[], text) is 'Problems (path, code, message) for the keys of an object that are not known.';
