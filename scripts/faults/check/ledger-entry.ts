// Entries as the checker reads them: from Postgres, with what a model's entry can be compared with, and no more.
import type { Sql } from '../../../src/db/connect.ts';
import type { FreezeName, GrantStateName, HoldStatusName, KindName, PurposeName } from '../../../src/records.ts';

export type LedgerEntry = {
  walletId: string;
  version: number;
  kind: KindName;
  late: boolean;
  freeze: FreezeName;
  atMs: number;
  epoch: number;
  operationId: string | null;
  assets: number[];
  amounts: bigint[];
  available: bigint[];
  held: bigint[];
  overage: bigint[];
  scheduled: bigint[];
  moves: { grantNo: number; remaining: bigint; held: bigint }[];
  grant:
    | {
        no: number;
        state: GrantStateName;
        purpose: PurposeName;
        priority: number;
        asset: number;
        amount: bigint;
        effectiveAtMs: number;
        expiresAtMs: number | null;
        createdAtMs: number;
      }
    | undefined;
  hold:
    | {
        ref: string;
        status: HoldStatusName;
        createdAtMs: number;
        expiresAtMs: number;
        /** Asset, amount, held, settled, released, and the rate, of each. */
        legs: (number | bigint)[][];
        /** Of all legs, one after the other. */
        taken: { grantNo: number; atoms: bigint }[];
      }
    | undefined;
};

type Row = Omit<LedgerEntry, 'moves' | 'grant' | 'hold' | 'version' | 'atMs'> & {
  version: bigint;
  atMs: string;
  moveGrants: number[];
  moveRemaining: bigint[];
  moveHeld: bigint[];
  grantNo: number | null;
  grantState: GrantStateName;
  grantPurpose: PurposeName;
  grantPriority: number;
  grantAsset: number;
  grantAmount: bigint;
  grantEffectiveMs: string;
  grantExpiresMs: string | null;
  grantCreatedMs: string;
  holdRef: string | null;
  holdStatus: HoldStatusName;
  holdAssets: number[];
  holdAmounts: bigint[];
  holdHeld: bigint[];
  holdSettled: bigint[];
  holdReleased: bigint[];
  holdRateNums: bigint[];
  holdRateDens: bigint[];
  holdCreatedMs: string;
  holdExpiresMs: string;
  holdSourceGrants: number[];
  holdSourceAtoms: bigint[];
};

/** All of an environment, each wallet's in order of versions. */
export async function readLedger(sql: Sql, environmentId: string): Promise<LedgerEntry[]> {
  const ms = (column: string) => sql`round(extract(epoch from ${sql(column)}) * 1000)::text`;
  const rows = await sql<Row[]>`
    select wallet_id as "walletId", version, kind, late, freeze_reason as freeze, ${ms('occurred_at')} as "atMs", epoch,
      operation_id as "operationId", assets, amounts, available_after as available, held_after as held,
      overage_after as overage, scheduled_after as scheduled,
      move_grants as "moveGrants", move_remaining as "moveRemaining", move_held as "moveHeld",
      grant_no as "grantNo", grant_state as "grantState", grant_purpose as "grantPurpose",
      grant_priority as "grantPriority", grant_asset as "grantAsset", grant_amount as "grantAmount",
      ${ms('grant_effective_at')} as "grantEffectiveMs", ${ms('grant_expires_at')} as "grantExpiresMs",
      ${ms('grant_created_at')} as "grantCreatedMs",
      hold_ref as "holdRef", hold_status as "holdStatus", hold_assets as "holdAssets", hold_amounts as "holdAmounts",
      hold_held as "holdHeld", hold_settled as "holdSettled", hold_released as "holdReleased",
      hold_rate_nums as "holdRateNums", hold_rate_dens as "holdRateDens",
      ${ms('hold_created_at')} as "holdCreatedMs", ${ms('hold_expires_at')} as "holdExpiresMs",
      hold_source_grants as "holdSourceGrants", hold_source_atoms as "holdSourceAtoms"
    from entries where environment_id = ${environmentId} order by wallet_id, version, seq`;
  return rows.map(toEntry);
}

function toEntry(row: Row): LedgerEntry {
  const { walletId, kind, late, freeze, epoch, operationId, assets, amounts, available, held, overage, scheduled } =
    row;
  return {
    ...{ walletId, kind, late, freeze, epoch, operationId, assets, amounts, available, held, overage, scheduled },
    version: Number(row.version),
    atMs: Number(row.atMs),
    moves: row.moveGrants.map((grantNo, i) => ({
      grantNo,
      remaining: row.moveRemaining[i] ?? -1n,
      held: row.moveHeld[i] ?? -1n,
    })),
    grant:
      row.grantNo === null
        ? undefined
        : {
            no: row.grantNo,
            state: row.grantState,
            purpose: row.grantPurpose,
            priority: row.grantPriority,
            asset: row.grantAsset,
            amount: row.grantAmount,
            effectiveAtMs: Number(row.grantEffectiveMs),
            expiresAtMs: row.grantExpiresMs === null ? null : Number(row.grantExpiresMs),
            createdAtMs: Number(row.grantCreatedMs),
          },
    hold:
      row.holdRef === null
        ? undefined
        : {
            ref: row.holdRef,
            status: row.holdStatus,
            createdAtMs: Number(row.holdCreatedMs),
            expiresAtMs: Number(row.holdExpiresMs),
            legs: row.holdAssets.map((asset, i) => [
              ...[asset, row.holdAmounts[i] ?? -1n, row.holdHeld[i] ?? -1n, row.holdSettled[i] ?? -1n],
              ...[row.holdReleased[i] ?? -1n],
              ...(i === 0 ? [1n, 1n] : [row.holdRateNums[i - 1] ?? -1n, row.holdRateDens[i - 1] ?? -1n]),
            ]),
            taken: row.holdSourceGrants.map((grantNo, i) => ({ grantNo, atoms: row.holdSourceAtoms[i] ?? -1n })),
          },
  };
}
