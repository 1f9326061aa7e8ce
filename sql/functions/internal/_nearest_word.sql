-- The candidate with the smallest edit distance to a word, for error messages; null when none is near.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._nearest_word(word text, candidates text[])
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_word text := left(_nearest_word.word, 60);
  v_candidate text;
  v_best text;
  -- half of it may be wrong, or two letters that changed places
  v_best_distance int := greatest(2, length(v_word) / 2) + 1;
  v_row int[];
  v_previous int;
  v_kept int;
begin
  if v_word is null then
    return null;
  end if;
  foreach v_candidate in array _nearest_word.candidates loop
    v_row := array(select g from generate_series(0, length(v_candidate)) as g);
    for v_i in 1 .. length(v_word) loop
      v_previous := v_row[1];
      v_row[1] := v_i;
      for v_j in 1 .. length(v_candidate) loop
        v_kept := v_row[v_j + 1];
        v_row[v_j + 1] := least(
          v_row[v_j + 1] + 1,
          v_row[v_j] + 1,
          v_previous + case when substr(v_word, v_i, 1) = substr(v_candidate, v_j, 1) then 0 else 1 end
        );
        v_previous := v_kept;
      end loop;
    end loop;
    if v_row[length(v_candidate) + 1] < v_best_distance then
      v_best_distance := v_row[length(v_candidate) + 1];
      v_best := v_candidate;
    end if;
  end loop;
  return v_best;
end;
$$;

revoke all on function drip_core._nearest_word(text, text[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._nearest_word(text, text[]) is 'The candidate nearest to a misspelt word, or null.';
