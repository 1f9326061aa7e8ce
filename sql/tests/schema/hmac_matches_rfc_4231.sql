-- The test cases of RFC 4231, section 4 (case 5 is truncated to 128 bits there).
begin;
select plan(8);
create temporary table cases (n int, key bytea, message bytea, mac text) on commit drop;
insert into cases values
(1, decode(repeat('0b', 20), 'hex'), 'Hi There', 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'),
(2, 'Jefe', 'what do ya want for nothing?', '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'),
(3, decode(repeat('aa', 20), 'hex'), decode(repeat('dd', 50), 'hex'), '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe'),
(
  4, decode('0102030405060708090a0b0c0d0e0f10111213141516171819', 'hex'), decode(repeat('cd', 50), 'hex'),
  '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b'
),
(5, decode(repeat('0c', 20), 'hex'), 'Test With Truncation', 'a3b6167473100ee06e0c796c2955552b'),
(
  6, decode(repeat('aa', 131), 'hex'), 'Test Using Larger Than Block-Size Key - Hash Key First',
  '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54'
),
(
  7, decode(repeat('aa', 131), 'hex'),
  'This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.',
  '9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2'
);
select
  is(
    left(encode(drip_core._hmac_sha256(drip_core._key_pad(c.key, 54), drip_core._key_pad(c.key, 92), c.message), 'hex'), length(c.mac)),
    c.mac,
    'L4: HMAC-SHA256 of RFC 4231 test case ' || c.n
  )
from cases as c
order by c.n;
-- the token inlines the same construction
select is(
  (select substr(drip_core._make_token(1::smallint, drip_core._key_pad('Jefe', 54), drip_core._key_pad('Jefe', 92), 'link', 1, 2, 3), 3, 32)),
  (select left(encode(drip_core._hmac_sha256(
    drip_core._key_pad('Jefe', 54), drip_core._key_pad('Jefe', 92),
    convert_to('link', 'UTF8') || int8send((1::bigint << 24) | 0) || int8send((2::bigint << 40) | 3)
  ), 'hex'), 32)),
  'L4: a token carries 128 bits of it'
);
select * from finish();
rollback;
