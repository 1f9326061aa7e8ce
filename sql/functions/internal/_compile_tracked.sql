-- requires: functions/internal/_compile_template.sql
-- The format() string of an html body whose links lead over our own pages and that ends with a pixel. Its arguments are those
-- of _compile_template, then the unsubscribe link twice (as it is, escaped), the start of a click link, the pixel's address.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._compile_tracked(html text, links text[], field_paths text[], field_defaults text[])
returns text
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_base constant int := case cardinality(_compile_tracked.field_paths) when 0 then 0 else 3 * (cardinality(_compile_tracked.field_paths) + 1) end;
  v_html text := translate(_compile_tracked.html, e'\x01\x02', '');
  v_found record;
  v_pixel text;
  v_body_end int;
begin
  for v_found in
    select distinct m.parts[1] || m.parts[2] as whole, m.parts[1] as before, array_position(_compile_tracked.links, btrim(m.parts[2], ' "''')) as link_no
    from regexp_matches(v_html, '(<a\s[^>]*?\mhref\s*=\s*)("[^"]*"|''[^'']*'')', 'gi') as m (parts)
  loop
    if v_found.link_no is not null then
      v_html := replace(v_html, v_found.whole, v_found.before || '"' || e'\x01' || v_found.link_no || '"');
    end if;
  end loop;
  v_pixel := '<img src="' || e'\x02' || '" alt="" width="1" height="1" style="border:0">';
  v_body_end := length(v_html) - strpos(reverse(lower(v_html)), '>ydob/<') - 5;
  if v_body_end > 0 and lower(substr(v_html, v_body_end, 7)) = '</body>' then
    v_html := left(v_html, v_body_end - 1) || v_pixel || substr(v_html, v_body_end);
  else
    v_html := v_html || v_pixel;
  end if;
  return replace(replace(
    drip_core._compile_template(v_html, _compile_tracked.field_paths, _compile_tracked.field_defaults, 1),
    e'\x01', '%' || (v_base + 3) || '$s'), e'\x02', '%' || (v_base + 4) || '$s');
end;
$$;

revoke all on function drip_core._compile_tracked(text, text[], text[], text[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._compile_tracked(text, text[], text[], text[]) is 'format() string of an html body with counted links and a pixel.';
