-- What becomes a header must stay one line, and what becomes html must stay text, also where a shortcut looks for trouble first.
begin;
select plan(3);
select is_empty(
  $$ select c.code from unnest(array[9, 10, 11, 12, 13, 133, 8232, 8233]) as c (code)
     where drip_core._one_line('a' || chr(c.code) || 'b') <> 'a b'
       or drip_core._one_line('a' || chr(c.code) || chr(13) || chr(c.code) || 'b') <> 'a b'
       or drip_core._one_line(chr(c.code)) <> ' ' $$,
  'each kind of line break, each run of them, becomes one space'
);
select is(drip_core._one_line('a veritable  fortune: über 100 %'), 'a veritable  fortune: über 100 %', 'other text stays as it is');
select is_empty(
  $$ select c.sign from (values ('&', '&amp;'), ('<', '&lt;'), ('>', '&gt;'), ('"', '&quot;'), ('''', '&#39;')) as c (sign, escaped)
     where drip_core._escape_html('a' || c.sign || 'b' || c.sign) <> 'a' || c.escaped || 'b' || c.escaped $$,
  'each sign that means something in html is escaped'
);
select finish();
rollback;
