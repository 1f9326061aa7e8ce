-- Why: an unsubscribe is attributed to the message, step and sequence it answers, and says whether a message was in flight;
-- the consent ledger holds what a controller must be able to show; erasure finds every place that knows a person.
-- Locks: ACCESS EXCLUSIVE on enrollments and consent_ledger for an instant (columns without default); SHARE on events, its
-- partitions and suppressions while the (partial, small) indexes are built.
-- The previous version meanwhile: works as before; it reads none of this.

alter table drip_core.enrollments add column status_cause jsonb;
comment on column drip_core.enrollments.status_cause is
'What the engine knows of why the status is what it is: source, and message, step and sequence that an unsubscribe answers. Never an address.';

alter table drip_core.consent_ledger
add column enrollment_id bigint,
add column step_id bigint,
add column expires_at timestamptz,
add column wording_hash text,
add column locale text,
add column ip inet,
add column user_agent text;
comment on column drip_core.consent_ledger.is_effective is 'False for a claim that changed nothing: an opt-in that met an opt-out.';
comment on column drip_core.consent_ledger.basis is 'What the consent rests on, as given: express, implied_purchase, soft_opt_in …';
comment on column drip_core.consent_ledger.source is 'How the statement arrived: api, import, link, one_click, mailto, stop_word, reconsent, erasure …';
comment on column drip_core.consent_ledger.source_ref is 'Where it can be looked up: a form, a page, a file.';
comment on column drip_core.consent_ledger.wording_version is 'Which wording the person agreed to.';
comment on column drip_core.consent_ledger.enrollment_id is 'With step_id: the message that an opt-out answers.';
comment on column drip_core.consent_ledger.expires_at is 'When an implied consent ends; for the operator, the engine does not act on it.';
comment on column drip_core.consent_ledger.wording_hash is 'Hash of that wording, as given.';
comment on column drip_core.consent_ledger.evidence is 'Whatever else was given as evidence; emptied when the contact is erased.';

-- facts about a contact that belong to no enrollment: few, and asked for by export and erasure
-- squawk-ignore require-concurrent-index-creation
create index events_contact_idx on drip_core.events (organization_id, contact_id) where enrollment_id is null;
-- those that were lifted, too
-- squawk-ignore require-concurrent-index-creation
create index suppressions_address_idx on drip_core.suppressions (organization_id, address_hash);
