-- requires: functions/internal/_max_message_size.sql
-- The values of merge fields for one message; null where there is neither value nor default. fixed_values are those that are
-- the same for all messages of the step, see _fixed_values. Once they have more bytes than a message may have, which is then
-- refused, the rest is blank: of one contact nothing larger than that is ever made. Locks: none. Errors: none. Harmless to repeat.
drop function if exists drip_core._merge_values(
  text[], text[], drip_core.contacts, drip_core.deals, drip_core.channel_accounts, drip_core.organizations, text
);
create or replace function drip_core._merge_values(
  field_paths text[], field_defaults text[], fixed_values text[],
  contact drip_core.contacts, deal drip_core.deals, sender_key text, sender_address text, sender_name text, unsubscribe_url text
)
returns text[]
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_values text[] := array[]::text[];
  v_path text;
  v_size bigint := 0;
begin
  for v_i in 1 .. cardinality(_merge_values.field_paths) loop
    v_path := _merge_values.field_paths[v_i];
    v_values := array_append(v_values, coalesce(
      _merge_values.fixed_values[v_i],
      nullif(btrim(translate(case v_path
        when 'contact.first_name' then (_merge_values.contact).first_name
        when 'contact.last_name' then (_merge_values.contact).last_name
        when 'contact.company' then (_merge_values.contact).company
        when 'contact.email' then (_merge_values.contact).email
        when 'contact.phone' then (_merge_values.contact).phone
        when 'contact.external_id' then (_merge_values.contact).external_id
        when 'contact.timezone' then (_merge_values.contact).timezone
        when 'deal.name' then (_merge_values.deal).name
        when 'deal.stage' then (_merge_values.deal).stage
        when 'deal.amount' then (_merge_values.deal).amount::text
        when 'deal.currency' then (_merge_values.deal).currency
        when 'deal.external_id' then (_merge_values.deal).external_id
        when 'sender.key' then _merge_values.sender_key
        when 'sender.address' then _merge_values.sender_address
        when 'sender.display_name' then _merge_values.sender_name
        when 'unsubscribe_url' then _merge_values.unsubscribe_url
        else case when starts_with(v_path, 'contact.attributes.') then (_merge_values.contact).attributes ->> substr(v_path, 20) end
      end, e'\x1f', '')), ''),
      translate(_merge_values.field_defaults[v_i], e'\x1f', '')));
    v_size := v_size + coalesce(octet_length(v_values[v_i]), 0);
    if v_size > drip_core._max_message_size() then
      return v_values || array_fill(''::text, array[cardinality(_merge_values.field_paths) - v_i]);
    end if;
  end loop;
  return v_values;
end;
$$;

revoke all on function drip_core._merge_values(
  text[], text[], text[], drip_core.contacts, drip_core.deals, text, text, text, text
) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._merge_values(
  text[], text[], text[], drip_core.contacts, drip_core.deals, text, text, text, text
) is 'Values of merge fields in the order of field_paths; null where there is neither value nor default. Blank counts as no value.';
