begin;
select plan(8);
select is(
  drip.apply_retention('{}'),
  '{"audit_entries": null, "event_details": null, "late_results": null, "message_values": null, "raw_facts": null}',
  'everything is kept for ever'
);
select is(
  drip.apply_retention('{"message_values": "1 year", "event_details": "2 years"}'),
  '{"audit_entries": null, "event_details": "2 years", "late_results": null, "message_values": "1 year", "raw_facts": null}', 'unless somebody says otherwise'
);
select is(
  drip.apply_retention('{"message_values": "18 mons"}'),
  '{"audit_entries": null, "event_details": "2 years", "late_results": null, "message_values": "1 year 6 mons", "raw_facts": null}',
  'an absent key keeps its setting'
);
select is(
  drip.apply_retention('{"message_values": null}'),
  '{"audit_entries": null, "event_details": "2 years", "late_results": null, "message_values": null, "raw_facts": null}', 'null clears it'
);
select is(
  drip_test.error_of($$select drip.apply_retention('{"event_detail": "1 year"}')$$),
  'PT422 | invalid settings | settings.event_detail: "event_detail" is not a known key; did you mean "event_details"?', 'the nearest known key is named'
);
select is(
  drip_test.error_of($$select drip.apply_retention('{"message_values": "1 day", "event_details": "89 days"}')$$),
  'PT422 | invalid settings | settings.event_details: "89 days"', 'events are kept for ninety days at least'
);
select is(
  drip_test.error_of($$select drip.apply_retention('{"raw_facts": "30 days"}')$$),
  'PT422 | invalid settings | settings.raw_facts: "30 days"', 'raw facts for as long as rates look back'
);
select is(
  drip.apply_retention('{}'),
  '{"audit_entries": null, "event_details": "2 years", "late_results": null, "message_values": null, "raw_facts": null}',
  'a refused call changes nothing'
);
select * from finish();
rollback;
