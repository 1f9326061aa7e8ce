-- Whether a JSON value is a list of texts of 1 to 100 characters; null for none.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._is_word_list(value jsonb)
returns boolean
language sql
immutable
parallel safe
begin atomic
  select
    case
      when jsonb_typeof(_is_word_list.value) = 'array'
        then not exists (
            select from jsonb_array_elements(_is_word_list.value) as e
            where jsonb_typeof(e.value) <> 'string' or btrim(e.value #>> '{}') = '' or length(e.value #>> '{}') > 100
          )
      when _is_word_list.value is not null then false
    end;
end;

revoke all on function drip_core._is_word_list(jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._is_word_list(jsonb) is 'Whether a JSON value is a list of texts of 1 to 100 characters.';
