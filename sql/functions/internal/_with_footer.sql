-- requires: functions/internal/_parse_template.sql
-- A body of an email with the footer that every email has: who sends it, the postal address, and a visible link to
-- unsubscribe. A body that places {{ unsubscribe_url }} itself has its own footer and stays as it is. In html it goes
-- before the end of the body. Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._with_footer(template text, is_html boolean)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_footer constant text := case
    when _with_footer.is_html
      then '<p style="font-size:12px;color:#595959">{{ organization.imprint }}<br><a href="{{ unsubscribe_url }}">Unsubscribe</a></p>'
    else e'\n\n---\n{{ organization.imprint }}\nUnsubscribe: {{ unsubscribe_url }}\n'
  end;
  v_body_end int;
begin
  if _with_footer.template is null
    or exists (select from drip_core._parse_template(_with_footer.template) as t where t.field_path = 'unsubscribe_url')
  then
    return _with_footer.template;
  end if;
  if _with_footer.is_html then
    -- the last one: a quoted </body> may come before it
    v_body_end := length(_with_footer.template) - strpos(reverse(lower(_with_footer.template)), '>ydob/<') - 5;
    if v_body_end > 0 and lower(substr(_with_footer.template, v_body_end, 7)) = '</body>' then
      return left(_with_footer.template, v_body_end - 1) || v_footer || substr(_with_footer.template, v_body_end);
    end if;
  end if;
  return _with_footer.template || v_footer;
end;
$$;

revoke all on function drip_core._with_footer(text, boolean) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._with_footer(text, boolean) is 'A body of an email with the footer that every email has, unless it places the unsubscribe link itself.';
