-- requires: functions/internal/_react_to_tags.sql, functions/internal/_note_failure.sql
-- Lets campaigns react to tags that contacts got. Never the reason why the write of a contact fails: what goes wrong is
-- written down and tried again by drip.tick, contact by contact.
-- Locks: as _react_to_tags. Errors: none. A repeat changes nothing.
create or replace function drip_core._tags_added(organization_id bigint, contact_ids bigint[], tags text[])
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_code text;
  v_message text;
begin
  if coalesce(cardinality(_tags_added.contact_ids), 0) = 0 then
    return;
  end if;
  perform drip_core._react_to_tags(_tags_added.organization_id, _tags_added.contact_ids, _tags_added.tags);
exception
  when others then
    get stacked diagnostics v_code = returned_sqlstate, v_message = message_text;
    perform drip_core._note_failure(
      _tags_added.organization_id, 'tag', u.id, u.id, null, null, null, jsonb_build_object('tags', u.tags), drip_core.now(), v_code, v_message)
    from (
      select k.id, array_agg(k.tag order by k.tag) as tags
      from unnest(_tags_added.contact_ids, _tags_added.tags) as k (id, tag)
      group by k.id
      order by k.id
    ) as u;
end;
$$;

revoke all on function drip_core._tags_added(bigint, bigint[], text[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._tags_added(bigint, bigint[], text[]) is 'Lets campaigns react to tags that contacts got; never fails.';
