begin;
select plan(7);
select is(
  drip.apply_retention('{}'), '{"event_details": null, "late_results": null, "message_values": null}', 'everything is kept for ever'
);
select is(
  drip.apply_retention('{"message_values": "1 year", "event_details": "2 years"}'),
  '{"event_details": "2 years", "late_results": null, "message_values": "1 year"}', 'unless somebody says otherwise'
);
select is(
  drip.apply_retention('{"message_values": "18 mons"}'),
  '{"event_details": "2 years", "late_results": null, "message_values": "1 year 6 mons"}', 'an absent key keeps its setting'
);
select is(
  drip.apply_retention('{"message_values": null}'),
  '{"event_details": "2 years", "late_results": null, "message_values": null}', 'null clears it'
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
  drip.apply_retention('{}'), '{"event_details": "2 years", "late_results": null, "message_values": null}', 'a refused call changes nothing'
);
select * from finish();
rollback;
