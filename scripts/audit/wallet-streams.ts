// What the ledger has of each wallet, wallet after wallet: its entries, their transfers, and what is stored of it.
//
// Each stream is in the order of environment and wallet, both of which compare by byte there and here.
import type { Transaction } from '../../src/db/connect.ts';
import type { Balances, EntryRow, Grant, Hold, TransferRow } from './rebuilt-wallet.ts';
import { openStream, type Stream } from './stream.ts';

export type OfWallet = { environmentId: string; walletId: string };
export type WalletStreams = Awaited<ReturnType<typeof openWalletStreams>>;

export async function openWalletStreams(sql: Transaction) {
  const place = sql`environment_id as "environmentId", wallet_id as "walletId"`;
  const order = sql`order by environment_id, wallet_id`;
  return {
    entries: await openStream<OfWallet & EntryRow>(
      sql,
      'audit_entries',
      sql`select ${place}, version, occurred_at::text as "occurredAt", kind, late, freeze_reason as freeze,
        assets, amounts, available_after as available, held_after as held, overage_after as overage,
        scheduled_after as scheduled,
        move_grants as "moveGrants", move_remaining as "moveRemaining", move_held as "moveHeld",
        grant_no as "grantNo", grant_state as "grantState", grant_purpose as "grantPurpose",
        grant_priority as "grantPriority", grant_scoped as "grantScoped",
        coalesce(grant_scope, 0) as "grantScope", grant_asset as "grantAsset",
        grant_amount as "grantAmount", grant_effective_at::text as "grantEffectiveAt",
        grant_expires_at::text as "grantExpiresAt", grant_created_at::text as "grantCreatedAt",
        hold_ref as "holdRef", hold_status as "holdStatus", hold_created_at::text as "holdCreatedAt",
        hold_expires_at::text as "holdExpiresAt", hold_assets as "holdAssets", hold_amounts as "holdAmounts",
        hold_held as "holdHeld", hold_settled as "holdSettled", hold_released as "holdReleased",
        hold_rate_nums as "holdRateNums", hold_rate_dens as "holdRateDens",
        hold_source_grants as "holdSourceGrants", hold_source_atoms as "holdSourceAtoms"
        from entries ${order}, version`,
    ),
    transfers: await openStream<OfWallet & TransferRow & { version: bigint }>(
      sql,
      'audit_transfers',
      sql`select ${place}, version, no, occurred_at::text as "occurredAt", asset, debit, credit, amount
        from transfers ${order}, version, no`,
    ),
    wallets: await openStream<OfWallet & { customerId: string; partition: number; version: bigint; freeze: string }>(
      sql,
      'audit_wallets',
      sql`select ${place}, customer_id as "customerId", partition, version, freeze_reason as freeze from wallets ${order}`,
    ),
    accounts: await openStream<OfWallet & Balances & { asset: number }>(
      sql,
      'audit_accounts',
      sql`select ${place}, asset, available, held, overage, scheduled from accounts ${order}`,
    ),
    grants: await openStream<OfWallet & Grant & { no: number }>(
      sql,
      'audit_grants',
      sql`select ${place}, grant_no as no, state, purpose, priority, scoped, scope, asset, amount, remaining, held,
        effective_at::text as "effectiveAt", expires_at::text as "expiresAt", created_at::text as "createdAt"
        from grants ${order}`,
    ),
    holds: await openStream<OfWallet & Hold & { ref: string }>(
      sql,
      'audit_holds',
      sql`select ${place}, ref, created_at::text as "createdAt", expires_at::text as "expiresAt",
        assets, amounts, held, settled, released, rate_nums as "rateNums", rate_dens as "rateDens",
        source_grants as "sourceGrants", source_atoms as "sourceAtoms"
        from holds where status = 'open' ${order}`,
    ),
  };
}

/** The wallet that comes next in any of the streams. */
export function nextWallet(streams: WalletStreams): OfWallet | undefined {
  let first: OfWallet | undefined;
  for (const stream of Object.values<Stream<OfWallet>>(streams)) {
    const head = stream.head();
    if (head && (!first || compare(head, first) < 0)) first = head;
  }
  return first && { environmentId: first.environmentId, walletId: first.walletId };
}

/** The stream's next row if it is one of this wallet's. */
export function rowOf<T extends OfWallet>(stream: Stream<T>, wallet: OfWallet): T | undefined {
  const head = stream.head();
  return head && head.walletId === wallet.walletId && head.environmentId === wallet.environmentId ? head : undefined;
}

/** All rows of this wallet, by key: what is stored of one wallet is little. */
export async function takeRows<T extends OfWallet, K>(
  stream: Stream<T>,
  wallet: OfWallet,
  keyOf: (row: T) => K,
): Promise<Map<K, T>> {
  const rows = new Map<K, T>();
  for (let row = rowOf(stream, wallet); row; row = rowOf(stream, wallet)) {
    rows.set(keyOf(row), row);
    const more = stream.next();
    if (more) await more;
  }
  return rows;
}

function compare(a: OfWallet, b: OfWallet): number {
  if (a.environmentId !== b.environmentId) return a.environmentId < b.environmentId ? -1 : 1;
  if (a.walletId !== b.walletId) return a.walletId < b.walletId ? -1 : 1;
  return 0;
}
