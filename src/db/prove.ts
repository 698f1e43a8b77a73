// The proof that a batch of entries follows from what the ledger has: in SQL, against the stored rows, before any write.
//
// For each wallet, from the stored version and balances on, entry by entry:
//   versions    count up by one, from the stored one; none of an epoch before the one that the wallet was rebuilt in
//   balances    after = before + credits − debits, for available, held, overage; scheduled by what the entry's kind does
//   grants      what they have left changes as `available` does, what they hold as `held` does, none beyond its amount
//   holds       what they hold changes as `held` does, asset by asset; opened once, ended once, settled late only after
//               expiring; assets may come to a hold, and none leaves it
// By induction a wallet that once was right stays right. Every entry that breaks a rule is returned; those before it in
// its wallet are good, whatever follows it.
//
// What is stored is looked up by its whole key, row by row: `offset 0` keeps the planner from doing otherwise. Left to
// itself it reads all holds of a wallet to find one, or the whole table, and both grow for ever.
import type { Batch } from './batch.ts';
import type { Transaction } from './connect.ts';

/** `entryNo` counts from 1 within the batch. */
export type Objection = { entryNo: number; reason: string };

/** The first objection for each wallet that has one. */
export async function prove(sql: Transaction, batch: Batch): Promise<Objection[]> {
  const { wallets, heads, legs, transfers, moves, holds, holdLegs } = batch;
  const rows = await sql<Objection[]>`
    with wallet as materialized (
      select given.no, given.environment_id, given.wallet_id, stored.version, stored.quarantined_at,
        coalesce(stored.rebuilt_epoch, 0) as rebuilt_epoch
      from unnest(${wallets.environmentId}::text[], ${wallets.walletId}::text[])
        with ordinality as given (environment_id, wallet_id, no)
      left join lateral (
        select version, quarantined_at, rebuilt_epoch from wallets
        where (environment_id, wallet_id) = (given.environment_id, given.wallet_id) offset 0
      ) stored on true
    ),

    version_objection as (
      select 1 as rank, entry.no as entry_no, wallet_no, case
        when wallet.version is null then 'the ledger has no such wallet'
        when wallet.quarantined_at is not null then 'follows an entry in quarantine'
        when entry.epoch < wallet.rebuilt_epoch then 'written before its wallet was rebuilt'
        else format('version %s where %s is due', entry.version, wallet.version + entry.count)
      end as reason
      from (
        select *, row_number() over (partition by wallet_no order by no) as count
        from unnest(${heads.walletNo}::integer[], ${heads.version}::bigint[], ${heads.epoch}::integer[])
          with ordinality as given (wallet_no, version, epoch, no)
      ) entry
      join wallet on wallet.no = wallet_no
      where entry.version is distinct from wallet.version + entry.count or wallet.quarantined_at is not null
        or entry.epoch < wallet.rebuilt_epoch
    ),

    -- What the transfers of each entry do to its wallet's accounts.
    change as materialized (
      select entry_no, asset,
        sum(case when credit = 'available' then amount when debit = 'available' then -amount else 0 end) as available,
        sum(case when credit = 'held' then amount when debit = 'held' then -amount else 0 end) as held,
        sum(case when debit = 'overage' then amount when credit = 'overage' then -amount else 0 end) as overage
      from unnest(
        ${transfers.entryNo}::integer[], ${transfers.asset}::integer[],
        ${transfers.debit}::ledger_account[], ${transfers.credit}::ledger_account[], ${transfers.amount}::bigint[]
      ) as given (entry_no, asset, debit, credit, amount)
      group by entry_no, asset
    ),

    leg as (
      select *, row_number() over steps = 1 as is_first,
        lag(available) over steps as available_before, lag(held) over steps as held_before,
        lag(overage) over steps as overage_before, lag(scheduled) over steps as scheduled_before
      from unnest(
        ${legs.entryNo}::integer[], ${legs.walletNo}::integer[], ${legs.asset}::integer[], ${legs.available}::bigint[],
        ${legs.held}::bigint[], ${legs.overage}::bigint[], ${legs.scheduled}::bigint[], ${legs.scheduledChange}::bigint[]
      ) as given (entry_no, wallet_no, asset, available, held, overage, scheduled, scheduled_change)
      window steps as (partition by wallet_no, asset order by entry_no)
    ),
    balance_objection as (
      select 2 as rank, leg.entry_no, leg.wallet_no,
        'its transfers do not lead from the balances before it to those after it' as reason
      from leg
      join wallet on wallet.no = leg.wallet_no
      left join lateral (
        select available, held, overage, scheduled from accounts
        where leg.is_first
          and (environment_id, wallet_id, asset) = (wallet.environment_id, wallet.wallet_id, leg.asset) offset 0
      ) stored on true
      left join change on (change.entry_no, change.asset) = (leg.entry_no, leg.asset)
      where leg.available <> coalesce(available_before, stored.available, 0) + coalesce(change.available, 0)
        or leg.held <> coalesce(held_before, stored.held, 0) + coalesce(change.held, 0)
        or leg.overage <> coalesce(overage_before, stored.overage, 0) + coalesce(change.overage, 0)
        or leg.scheduled <> coalesce(scheduled_before, stored.scheduled, 0) + scheduled_change
        -- What is scoped repays nothing.
        or (leg.overage > 0 and leg.available > 0 and not exists (
          select from credits where (credits.environment_id, credits.wallet_id, credits.asset)
            = (wallet.environment_id, wallet.wallet_id, leg.asset) and credits.scope is not null offset 0
        ))
    ),

    move_given as materialized (
      select * from unnest(
        ${moves.entryNo}::integer[], ${moves.walletNo}::integer[], ${moves.grantNo}::integer[],
        ${moves.remaining}::bigint[], ${moves.held}::bigint[], ${moves.asset}::integer[], ${moves.amount}::bigint[]
      ) as given (entry_no, wallet_no, grant_no, remaining, held, asset, amount)
    ),
    stored_grant as materialized (
      select given.wallet_no, given.grant_no, stored.*
      from (select distinct wallet_no, grant_no from move_given) given
      join wallet on wallet.no = given.wallet_no
      cross join lateral (
        select asset, amount, remaining, held from grants
        where (environment_id, wallet_id, grants.grant_no) = (wallet.environment_id, wallet.wallet_id, given.grant_no) offset 0
      ) stored
    ),
    move as materialized (
      select given.entry_no, given.wallet_no, coalesce(stored.asset, given.asset) as asset,
        given.remaining + given.held > coalesce(stored.amount, given.amount) as is_beyond,
        given.remaining - coalesce(remaining_before, stored.remaining, 0) as remaining,
        given.held - coalesce(held_before, stored.held, 0) as held
      from (
        select *, lag(remaining) over steps as remaining_before, lag(held) over steps as held_before
        from move_given
        window steps as (partition by wallet_no, grant_no order by entry_no)
      ) given
      left join stored_grant stored using (wallet_no, grant_no)
    ),
    grant_objection as (
      select 3 as rank, entry_no, wallet_no, case
        when asset is null then 'a grant that the ledger does not have'
        else 'a grant with more than its amount'
      end as reason
      from move where asset is null or is_beyond
      union all
      select 3, entry_no, (${heads.walletNo}::integer[])[entry_no], 'its grants do not add up to its balances'
      from change
      full join (
        select entry_no, asset, sum(remaining) as remaining, sum(held) as grants_held from move group by entry_no, asset
      ) moved using (entry_no, asset)
      where coalesce(change.available, 0) <> coalesce(moved.remaining, 0)
        or coalesce(change.held, 0) <> coalesce(moved.grants_held, 0)
    ),

    hold as materialized (
      select given.*, coalesce(status_before, stored.status) as before,
        coalesce(assets_at_step, stored.assets) as assets_before, stored.assets as stored_assets, stored.held as stored_held
      from (
        select *, lag(status) over steps as status_before, lag(assets) over steps as assets_at_step
        from (
          select *, (${holdLegs.asset}::integer[])[leg_from:leg_to] as assets
          from unnest(
            ${heads.walletNo}::integer[], ${holds.no}::integer[], ${holds.ref}::text[], ${holds.status}::hold_status[],
            ${heads.holdLegFrom}::integer[], ${heads.holdLegTo}::integer[], ${heads.kind}::entry_kind[], ${heads.late}::boolean[]
          ) with ordinality as given (wallet_no, hold_no, ref, status, leg_from, leg_to, kind, late, entry_no)
          where hold_no is not null
        ) given
        window steps as (partition by wallet_no, hold_no order by entry_no)
      ) given
      join wallet on wallet.no = given.wallet_no
      left join lateral (
        select status, assets, held from holds
        -- What an earlier entry of the batch left says all.
        where given.status_before is null
          and (environment_id, wallet_id, holds.ref) = (wallet.environment_id, wallet.wallet_id, given.ref) offset 0
      ) stored on true
    ),
    hold_leg as (
      select entry_no, asset, leg.held - coalesce(
        lag(leg.held) over (partition by wallet_no, hold_no, asset order by entry_no),
        stored_held[array_position(stored_assets, asset)],
        0
      ) as held_change
      from unnest(${holdLegs.entryNo}::integer[], ${holdLegs.asset}::integer[], ${holdLegs.held}::bigint[])
        as leg (entry_no, asset, held)
      join hold using (entry_no)
    ),
    hold_objection as (
      select 4 as rank, entry_no, wallet_no, case
        when before is null then 'a hold that was never opened'
        when kind = 'hold' then 'a hold that was opened before'
        when assets[1:cardinality(assets_before)] <> assets_before then 'a hold that changes its assets'
        else format('a hold that has ended: %s', before)
      end as reason
      from hold
      where case
        when late then before is distinct from 'expired'
        when kind = 'hold' then before is not null
        else before is distinct from 'open'
      end or assets[1:cardinality(assets_before)] <> assets_before
      union all
      select 4, entry_no, (${heads.walletNo}::integer[])[entry_no], 'its hold does not add up to what is held'
      from change
      full join hold_leg using (entry_no, asset)
      where coalesce(change.held, 0) <> coalesce(hold_leg.held_change, 0)
    )

    select distinct on (wallet_no) entry_no::integer as "entryNo", reason
    from (
      select * from version_objection
      union all select * from balance_objection
      union all select * from grant_objection
      union all select * from hold_objection
    ) objection
    order by wallet_no, entry_no, rank`;
  return rows;
}
