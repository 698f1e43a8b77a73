// Writes a proven batch: entries and transfers as they are, and the state that they lead to.
//
// All statements are sent at once and run one after the other. Rows are locked in the order of wallets; only this lane's
// drain writes them, so nobody else waits. Instants cross as milliseconds and become timestamps there, exactly: a double
// carries them to the microsecond.
import { afterBatch, type After } from './after.ts';
import type { Batch } from './batch.ts';
import type { Transaction } from './connect.ts';

export async function writeBatch(sql: Transaction, batch: Batch): Promise<void> {
  const after = afterBatch(batch);
  await Promise.all([
    insertEntries(sql, batch),
    insertTransfers(sql, batch),
    updateWallets(sql, batch, after),
    upsertAccounts(sql, batch, after),
    after.terms.count > 0 && upsertGrants(sql, batch, after),
    updateGrants(sql, batch, after),
    upsertHolds(sql, batch, after),
    after.environmentAccounts.count > 0 && addToEnvironmentAccounts(sql, after),
    after.counters.count > 0 && upsertCounters(sql, batch, after),
    after.credited.count > 0 && markCreditsApplied(sql, batch, after),
    after.crossings.count > 0 && markCrossed(sql, batch, after),
  ]);
}

function insertEntries(sql: Transaction, batch: Batch) {
  const { wallets, heads, legs, moves, terms, holds, holdLegs, sources, counters, operations } = batch;
  return sql`
    insert into entries (
      environment_id, wallet_id, version, occurred_at, partition, epoch, seq, kind, late, freeze_reason,
      assets, amounts, available_after, held_after, overage_after, scheduled_after,
      move_grants, move_remaining, move_held,
      grant_no, grant_state, grant_purpose, grant_priority, grant_scoped, grant_scope, grant_asset, grant_amount,
      grant_effective_at, grant_expires_at, grant_created_at,
      hold_ref, hold_status, hold_created_at, hold_expires_at,
      hold_assets, hold_amounts, hold_held, hold_settled, hold_released, hold_rate_nums, hold_rate_dens,
      hold_source_grants, hold_source_atoms, hold_tags,
      counter_names, counter_states, budget_id,
      operation_id, fingerprint, reply, attached
    )
    select
      environment_id, wallet_id, version, to_timestamp(at_ms::float8 / 1000), partition, epoch, seq, kind, late, freeze_reason,
      (${legs.asset}::integer[])[leg_from:leg_to], (${legs.amount}::bigint[])[leg_from:leg_to],
      (${legs.available}::bigint[])[leg_from:leg_to], (${legs.held}::bigint[])[leg_from:leg_to],
      (${legs.overage}::bigint[])[leg_from:leg_to], (${legs.scheduled}::bigint[])[leg_from:leg_to],
      (${moves.grantNo}::integer[])[move_from:move_to], (${moves.remaining}::bigint[])[move_from:move_to],
      (${moves.held}::bigint[])[move_from:move_to],
      grant_no, grant_state, grant_purpose, grant_priority, grant_scoped, grant_scope, grant_asset, grant_amount,
      to_timestamp(grant_effective_ms::float8 / 1000), to_timestamp(grant_expires_ms::float8 / 1000),
      to_timestamp(grant_created_ms::float8 / 1000),
      hold_ref, hold_status,
      to_timestamp(hold_created_ms::float8 / 1000), to_timestamp(hold_expires_ms::float8 / 1000),
      case when hold_ref is not null then (${holdLegs.asset}::integer[])[hold_leg_from:hold_leg_to] end,
      case when hold_ref is not null then (${holdLegs.amount}::bigint[])[hold_leg_from:hold_leg_to] end,
      case when hold_ref is not null then (${holdLegs.held}::bigint[])[hold_leg_from:hold_leg_to] end,
      case when hold_ref is not null then (${holdLegs.settled}::bigint[])[hold_leg_from:hold_leg_to] end,
      case when hold_ref is not null then (${holdLegs.released}::bigint[])[hold_leg_from:hold_leg_to] end,
      -- The first leg's rate is 1 for 1.
      case when hold_ref is not null then (${holdLegs.num}::bigint[])[hold_leg_from + 1:hold_leg_to] end,
      case when hold_ref is not null then (${holdLegs.den}::bigint[])[hold_leg_from + 1:hold_leg_to] end,
      case when hold_ref is not null then (${sources.grantNo}::integer[])[source_from:source_to] end,
      case when hold_ref is not null then (${sources.atoms}::bigint[])[source_from:source_to] end,
      decode(tags_hex, 'hex'),
      -- Null for most entries: nothing counts them.
      case when counter_from <= counter_to then (${counters.name}::text[])[counter_from:counter_to] end,
      case when counter_from <= counter_to then
        array(select decode(hex, 'hex') from unnest((${counters.stateHex}::text[])[counter_from:counter_to]) as hex) end,
      case when kind = 'budget_alert' and counter_from <= counter_to then (
        select budgets.id from budgets join wallets using (environment_id, customer_id)
        where (wallets.environment_id, wallets.wallet_id) = (wallet.environment_id, wallet.wallet_id)
          and budgets.no = substr((${counters.name}::text[])[counter_from], 2)::integer) end,
      operation_id, fingerprint, decode(reply_hex, 'hex'), attached
    from unnest(
      ${heads.walletNo}::integer[], ${heads.version}::bigint[], ${heads.atMs}::bigint[], ${heads.partition}::smallint[],
      ${heads.epoch}::integer[], ${heads.seq}::bigint[], ${heads.kind}::entry_kind[], ${heads.late}::boolean[],
      ${heads.freeze}::freeze_reason[],
      ${heads.legFrom}::integer[], ${heads.legTo}::integer[], ${heads.moveFrom}::integer[], ${heads.moveTo}::integer[],
      ${heads.holdLegFrom}::integer[], ${heads.holdLegTo}::integer[],
      ${heads.sourceFrom}::integer[], ${heads.sourceTo}::integer[],
      ${heads.counterFrom}::integer[], ${heads.counterTo}::integer[],
      ${terms.grantNo}::integer[], ${terms.state}::grant_state[], ${terms.purpose}::purpose[],
      ${terms.priority}::smallint[], ${terms.scoped}::boolean[], ${terms.scope}::smallint[], ${terms.asset}::integer[],
      ${terms.amount}::bigint[],
      ${terms.effectiveAtMs}::bigint[], ${terms.expiresAtMs}::bigint[], ${terms.createdAtMs}::bigint[],
      ${holds.ref}::text[], ${holds.status}::hold_status[], ${holds.createdAtMs}::bigint[],
      ${holds.expiresAtMs}::bigint[], ${holds.tagsHex}::text[],
      ${operations.operationId}::text[], ${operations.fingerprint}::text[], ${operations.replyHex}::text[],
      ${operations.attached}::text[]
    ) as entry (
      wallet_no, version, at_ms, partition, epoch, seq, kind, late, freeze_reason,
      leg_from, leg_to, move_from, move_to, hold_leg_from, hold_leg_to, source_from, source_to,
      counter_from, counter_to,
      grant_no, grant_state, grant_purpose, grant_priority, grant_scoped, grant_scope, grant_asset, grant_amount,
      grant_effective_ms, grant_expires_ms, grant_created_ms,
      hold_ref, hold_status, hold_created_ms, hold_expires_ms, tags_hex,
      operation_id, fingerprint, reply_hex, attached
    )
    join ${walletRows(sql, wallets)} using (wallet_no)`;
}

function insertTransfers(sql: Transaction, { wallets, heads, transfers }: Batch) {
  return sql`
    insert into transfers (environment_id, wallet_id, version, no, occurred_at, asset, debit, credit, amount)
    select environment_id, wallet_id, (${heads.version}::bigint[])[entry_no], no,
      to_timestamp((${heads.atMs}::bigint[])[entry_no]::float8 / 1000), asset, debit, credit, amount
    from unnest(
      ${transfers.entryNo}::integer[], ${transfers.walletNo}::integer[], ${transfers.no}::smallint[],
      ${transfers.asset}::integer[], ${transfers.debit}::ledger_account[], ${transfers.credit}::ledger_account[],
      ${transfers.amount}::bigint[]
    ) as transfer (entry_no, wallet_no, no, asset, debit, credit, amount)
    join ${walletRows(sql, wallets)} using (wallet_no)`;
}

function updateWallets(sql: Transaction, { wallets }: Batch, { wallets: last }: After) {
  return sql`
    update wallets set version = last.version, freeze_reason = last.freeze_reason
    from unnest(
      ${wallets.environmentId}::text[], ${wallets.walletId}::text[],
      ${last.version}::bigint[], ${last.freeze}::freeze_reason[]
    ) as last (environment_id, wallet_id, version, freeze_reason)
    where (wallets.environment_id, wallets.wallet_id) = (last.environment_id, last.wallet_id)`;
}

function upsertAccounts(sql: Transaction, { wallets }: Batch, { accounts }: After) {
  return sql`
    insert into accounts (environment_id, wallet_id, asset, available, held, overage, scheduled)
    select environment_id, wallet_id, asset, available, held, overage, scheduled
    from unnest(
      ${accounts.walletNo}::integer[], ${accounts.asset}::integer[], ${accounts.available}::bigint[],
      ${accounts.held}::bigint[], ${accounts.overage}::bigint[], ${accounts.scheduled}::bigint[]
    ) as account (wallet_no, asset, available, held, overage, scheduled)
    join ${walletRows(sql, wallets)} using (wallet_no)
    on conflict (environment_id, wallet_id, asset) do update set
      available = excluded.available, held = excluded.held, overage = excluded.overage, scheduled = excluded.scheduled`;
}

/** Grants whose terms the batch set: they begin, or change their state. What they have left follows in updateGrants. */
function upsertGrants(sql: Transaction, { wallets }: Batch, { terms }: After) {
  return sql`
    insert into grants (
      environment_id, wallet_id, grant_no, state, purpose, priority, scoped, scope, asset, amount, remaining, held,
      effective_at, expires_at, created_at
    )
    select environment_id, wallet_id, grant_no, state, purpose, priority, scoped, scope, asset, amount, 0, 0,
      to_timestamp(effective_ms::float8 / 1000), to_timestamp(expires_ms::float8 / 1000),
      to_timestamp(created_ms::float8 / 1000)
    from unnest(
      ${terms.walletNo}::integer[], ${terms.grantNo}::integer[], ${terms.state}::grant_state[],
      ${terms.purpose}::purpose[], ${terms.priority}::smallint[], ${terms.scoped}::boolean[],
      ${terms.scope}::smallint[],
      ${terms.asset}::integer[], ${terms.amount}::bigint[],
      ${terms.effectiveAtMs}::bigint[], ${terms.expiresAtMs}::bigint[], ${terms.createdAtMs}::bigint[]
    ) as terms (
      wallet_no, grant_no, state, purpose, priority, scoped, scope, asset, amount, effective_ms, expires_ms, created_ms
    )
    join ${walletRows(sql, wallets)} using (wallet_no)
    on conflict (environment_id, wallet_id, grant_no) do update set
      state = excluded.state, expires_at = excluded.expires_at`;
}

/** A grant with nothing left and nothing held is spent, unless it ended in another way. */
function updateGrants(sql: Transaction, { wallets }: Batch, { moves }: After) {
  // Materialized: so that a row is looked up by its whole key, and not by its wallet's part of it.
  return sql`
    with move as materialized (
      select * from unnest(
        ${moves.walletNo}::integer[], ${moves.grantNo}::integer[], ${moves.remaining}::bigint[], ${moves.held}::bigint[]
      ) as move (wallet_no, grant_no, remaining, held)
      join ${walletRows(sql, wallets)} using (wallet_no)
    )
    update grants set remaining = move.remaining, held = move.held, state = case
      when grants.state = 'active' and move.remaining = 0 and move.held = 0 then 'spent' else grants.state
    end
    from move
    where (grants.environment_id, grants.wallet_id, grants.grant_no) = (move.environment_id, move.wallet_id, move.grant_no)`;
}

function upsertHolds(sql: Transaction, { wallets }: Batch, { holds, holdLegs }: After) {
  return sql`
    insert into holds (
      environment_id, wallet_id, ref, partition, status, late, created_at, expires_at, ended_at,
      assets, amounts, held, settled, released, rate_nums, rate_dens, source_grants, source_atoms, tags
    )
    select environment_id, wallet_id, ref, partition, status, late,
      to_timestamp(created_ms::float8 / 1000), to_timestamp(expires_ms::float8 / 1000),
      to_timestamp(ended_ms::float8 / 1000),
      (${holdLegs.asset}::integer[])[leg_from:leg_to], (${holdLegs.amount}::bigint[])[leg_from:leg_to],
      (${holdLegs.held}::bigint[])[leg_from:leg_to], (${holdLegs.settled}::bigint[])[leg_from:leg_to],
      (${holdLegs.released}::bigint[])[leg_from:leg_to],
      (${holdLegs.num}::bigint[])[leg_from + 1:leg_to], (${holdLegs.den}::bigint[])[leg_from + 1:leg_to],
      source_grants::integer[], source_atoms::bigint[], decode(tags_hex, 'hex')
    from unnest(
      ${holds.walletNo}::integer[], ${holds.ref}::text[], ${holds.partition}::smallint[],
      ${holds.status}::hold_status[], ${holds.late}::boolean[],
      ${holds.createdAtMs}::bigint[], ${holds.expiresAtMs}::bigint[], ${holds.endedAtMs}::bigint[],
      ${holds.legFrom}::integer[], ${holds.legTo}::integer[], ${holds.sourceGrants}::text[], ${holds.sourceAtoms}::text[],
      ${holds.tagsHex}::text[]
    ) as hold (
      wallet_no, ref, partition, status, late, created_ms, expires_ms, ended_ms, leg_from, leg_to,
      source_grants, source_atoms, tags_hex
    )
    join ${walletRows(sql, wallets)} using (wallet_no)
    on conflict (environment_id, wallet_id, ref) do update set
      status = excluded.status, late = excluded.late, expires_at = excluded.expires_at,
      assets = excluded.assets, amounts = excluded.amounts, held = excluded.held, settled = excluded.settled,
      released = excluded.released, rate_nums = excluded.rate_nums, rate_dens = excluded.rate_dens,
      ended_at = coalesce(holds.ended_at, excluded.ended_at),
      source_grants = excluded.source_grants, source_atoms = excluded.source_atoms, tags = excluded.tags`;
}

function addToEnvironmentAccounts(sql: Transaction, { environmentAccounts: balances }: After) {
  return sql`
    insert into environment_accounts (environment_id, asset, account, partition, balance)
    select * from unnest(
      ${balances.environmentId}::text[], ${balances.asset}::integer[], ${balances.account}::ledger_account[],
      ${balances.partition}::smallint[], ${balances.change}::bigint[]
    )
    on conflict (environment_id, asset, account, partition) do update set
      balance = environment_accounts.balance + excluded.balance`;
}

function upsertCounters(sql: Transaction, { wallets }: Batch, { counters }: After) {
  return sql`
    insert into counters (environment_id, wallet_id, name, packed)
    select environment_id, wallet_id, name, decode(state_hex, 'hex')
    from unnest(
      ${counters.walletNo}::integer[], ${counters.name}::text[], ${counters.stateHex}::text[]
    ) as counter (wallet_no, name, state_hex)
    join ${walletRows(sql, wallets)} using (wallet_no)
    on conflict (environment_id, wallet_id, name) do update set packed = excluded.packed`;
}

function markCreditsApplied(sql: Transaction, { wallets }: Batch, { credited }: After) {
  return sql`
    with entry as materialized (
      select * from unnest(${credited.walletNo}::integer[], ${credited.grantNo}::integer[]) as credit (wallet_no, grant_no)
      join ${walletRows(sql, wallets)} using (wallet_no)
    )
    update credits set state = 'applied'
    from entry
    where (credits.environment_id, credits.wallet_id, credits.grant_no)
      = (entry.environment_id, entry.wallet_id, entry.grant_no)`;
}

/** Accounts that fell below the bound of their automatic top-up: a worker sees to them. */
function markCrossed(sql: Transaction, { wallets }: Batch, { crossings }: After) {
  return sql`
    update auto_top_ups set crossed_no = crossing.no, crossed_at = to_timestamp(crossing.at_ms::float8 / 1000),
      look_at = clock_timestamp(), state = case when state = 'armed' then 'charging' else state end
    from (
      select environment_id, wallets.customer_id, asset, max(no) as no, max(at_ms) as at_ms
      from unnest(
        ${crossings.walletNo}::integer[], ${crossings.asset}::integer[], ${crossings.crossingNo}::integer[],
        ${crossings.atMs}::bigint[]
      ) as crossing (wallet_no, asset, no, at_ms)
      join ${walletRows(sql, wallets)} using (wallet_no)
      join wallets using (environment_id, wallet_id)
      group by environment_id, wallets.customer_id, asset
    ) crossing
    where (auto_top_ups.environment_id, auto_top_ups.customer_id, auto_top_ups.asset)
      = (crossing.environment_id, crossing.customer_id, crossing.asset) and crossed_no < crossing.no`;
}

/** The batch's wallets, by their number in it. */
function walletRows(sql: Transaction, wallets: Batch['wallets']) {
  return sql`unnest(${wallets.environmentId}::text[], ${wallets.walletId}::text[])
    with ordinality as wallet (environment_id, wallet_id, wallet_no)`;
}
