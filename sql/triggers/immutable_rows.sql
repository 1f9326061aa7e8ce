-- Rows that are written once: published versions with their steps and senders, the audit trail, the consent ledger, the history. The
-- exceptions: drip.erase_contact empties the columns of the last two that could name the person, whether an open or a
-- click was a machine's may be judged anew, and the audit trail is purged as drip.apply_retention says.
create or replace function drip_core._refuse_change()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- whether a machine made a hit is a judgement, and may be judged anew: set for drip_core._judge_hits alone
  if tg_op = 'UPDATE' and tg_table_name = 'events' and current_setting('drip.judging', true) = 'on' then
    return null;
  end if;
  -- set for drip_core._erase_history alone, and nobody but the owner's functions may write these tables at all
  if tg_op = 'UPDATE' and tg_table_name in ('events', 'consent_ledger') and current_setting('drip.erasing', true) = 'on' then
    return null;
  end if;
  -- set for drip_core._purge_audit_entries alone
  if tg_op = 'DELETE' and tg_table_name = 'audit_entries' and current_setting('drip.purging', true) = 'on' then
    return null;
  end if;
  raise exception '% rows are written once', tg_table_name
    using errcode = 'PT409', detail = format('%s on %I.%I', tg_op, tg_table_schema, tg_table_name),
      hint = 'Publish a new version, or record a new fact.';
end;
$$;

create or replace trigger versions_are_immutable
before update or delete or truncate on drip_core.sequence_versions
for each statement execute function drip_core._refuse_change();

create or replace trigger steps_are_immutable
before update or delete or truncate on drip_core.steps
for each statement execute function drip_core._refuse_change();

create or replace trigger version_senders_are_immutable
before update or delete or truncate on drip_core.version_senders
for each statement execute function drip_core._refuse_change();

create or replace trigger step_links_are_immutable
before update or delete or truncate on drip_core.step_links
for each statement execute function drip_core._refuse_change();

create or replace trigger consent_is_append_only
before update or delete or truncate on drip_core.consent_ledger
for each statement execute function drip_core._refuse_change();

create or replace trigger audit_entries_are_append_only
before update or delete or truncate on drip_core.audit_entries
for each statement execute function drip_core._refuse_change();

create or replace trigger events_are_append_only
before update or delete or truncate on drip_core.events
for each statement execute function drip_core._refuse_change();

revoke all on function drip_core._refuse_change() from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._refuse_change() is 'Trigger: refuses to change rows that are written once.';
comment on trigger versions_are_immutable on drip_core.sequence_versions is 'A published version never changes.';
comment on trigger steps_are_immutable on drip_core.steps is 'A published step never changes.';
comment on trigger step_links_are_immutable on drip_core.step_links is 'The links of a published step never change.';
comment on trigger version_senders_are_immutable on drip_core.version_senders is 'The senders of a published version never change.';
comment on trigger consent_is_append_only on drip_core.consent_ledger is 'What was said of consent stays recorded.';
comment on trigger audit_entries_are_append_only on drip_core.audit_entries is 'The audit trail is append-only.';
comment on trigger events_are_append_only on drip_core.events is 'The history is append-only.';
