-- The links of an html body that are counted: href of <a>, to web pages, each address once, in the order in which they come,
-- as they are written there. A link made of merge fields is none of them: it may log somebody in, and it leads where the data
-- of a contact says. Nor is one with a user name, which only deceives.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._collect_links(html text)
returns text[]
language sql
immutable
parallel safe
begin atomic
  select coalesce(array_agg(l.url order by l.first_no), '{}')
  from (
    select
      btrim(m.parts[1], ' "''') as url,
      min(m.ordinal) as first_no
    from regexp_matches(_collect_links.html, '<a\s[^>]*?\mhref\s*=\s*("[^"]*"|''[^'']*'')', 'gi') with ordinality as m (parts, ordinal)
    where btrim(m.parts[1], ' "''') ~* '^https?://[^/?#@[:space:][:cntrl:]]+([/?#][^[:space:][:cntrl:]]*)?$' and strpos(m.parts[1], '{{') = 0
    group by btrim(m.parts[1], ' "''')
  ) as l;
end;

revoke all on function drip_core._collect_links(text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._collect_links(text) is 'The links of an html body that are counted, each once, in order.';
