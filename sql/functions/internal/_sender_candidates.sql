-- The senders that a version may use, for each of its channels in their order: those it lists, else the active accounts of
-- the channel, else all of them. upper_ends are the upper ends of their stretches of the total weight, for _choose_sender.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._sender_candidates(organization_id bigint, sequence_id bigint, version int)
returns table (channel drip.channel, channel_no bigint, account_ids bigint[], upper_ends bigint[])
language sql
stable
begin atomic
  select
    k.channel,
    k.channel_no,
    array_agg(k.account_id order by k.account_id) as account_ids,
    array_agg(k.upper_end order by k.account_id) as upper_ends
  from (
    select
      ch.channel,
      ch.ordinal as channel_no,
      c.account_id,
      sum(c.weight) over (partition by ch.ordinal order by c.account_id)::bigint as upper_end
    from drip_core.sequence_versions as v
    cross join lateral unnest(v.channels) with ordinality as ch (channel, ordinal)
    cross join
      lateral (
        select
          vs.channel_account_id as account_id,
          vs.weight
        from drip_core.version_senders as vs
        where vs.organization_id = v.organization_id and vs.sequence_id = v.sequence_id and vs.version = v.version and vs.channel = ch.channel
        union all
        select
          a.id as account_id,
          1 as weight
        from drip_core.channel_accounts as a
        inner join drip_core.lanes as l on v.organization_id = l.organization_id and a.id = l.channel_account_id
        where a.organization_id = v.organization_id and a.channel = ch.channel
          -- where none is active they wait for one that will be
          and (l.status = 'active' or not exists (
            select from drip_core.channel_accounts as oa
            inner join drip_core.lanes as ol on v.organization_id = ol.organization_id and oa.id = ol.channel_account_id and ol.status = 'active'
            where oa.organization_id = v.organization_id and oa.channel = ch.channel
          ))
          and not exists (
            select from drip_core.version_senders as vs
            where vs.organization_id = v.organization_id and vs.sequence_id = v.sequence_id and vs.version = v.version and vs.channel = ch.channel
          )
      ) as c
    where v.organization_id = _sender_candidates.organization_id
      and v.sequence_id = _sender_candidates.sequence_id
      and v.version = _sender_candidates.version
  ) as k
  group by k.channel, k.channel_no
  order by k.channel_no;
end;

revoke all on function drip_core._sender_candidates(bigint, bigint, int) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._sender_candidates(bigint, bigint, int) is
'The senders that each channel of a version may use, with the upper ends of their stretches of the total weight.';
