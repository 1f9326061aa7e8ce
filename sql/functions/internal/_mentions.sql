-- Whether a text contains one of the words, in any case. Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._mentions(message text, words text[])
returns boolean
language sql
immutable
parallel safe
begin atomic
  select exists(
    select from unnest(_mentions.words) as w (word)
    where strpos(lower(_mentions.message), lower(w.word)) > 0
  );
end;

revoke all on function drip_core._mentions(text, text[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._mentions(text, text[]) is 'Whether a text contains one of the words, in any case.';
