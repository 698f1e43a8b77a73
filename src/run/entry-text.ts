// Entries as text for people, a line each.
import { changeOf, type Entry } from '../outbox/entry.ts';
import type { EntryRecord } from '../records.ts';
import { formatAmount } from '../units.ts';
import { toldOf } from '../wallet/told.ts';
import type { Assets } from './wallet-text.ts';

export function entryText({ version, occurredAtMs, ...entry }: EntryRecord, assets: Assets): string {
  const legs = entry.legs.map(({ asset: number, amount, availableAfter, heldAfter, overageAfter }) => {
    const asset = assets.get(number);
    const text = (atoms: bigint) => (asset ? formatAmount(atoms, asset.scale) : String(atoms));
    const after = `available ${text(availableAfter)}, held ${text(heldAfter)}, overage ${text(overageAfter)}`;
    return `${amount > 0n ? '+' : ''}${text(amount)} ${asset?.code ?? `of asset ${number}`}: ${after}`;
  });
  const what = [
    ...legs,
    ...(entry.holdRef === undefined ? [] : [`hold ${entry.holdRef}`]),
    ...(entry.grantNo === undefined ? [] : [`grant ${entry.grantNo}`]),
    ...(entry.operationId === '' ? [] : [`operation ${entry.operationId}`]),
  ];
  const kind = `${entry.kind}${entry.late ? ' (late)' : ''}`;
  return `${String(version).padStart(8)}  ${new Date(occurredAtMs).toISOString()}  ${kind.padEnd(14)}  ${what.join('; ')}`;
}

/** An entry that is not in the ledger, as the ledger would show it. */
export function entryRecord(entry: Entry): EntryRecord {
  return {
    walletId: entry.walletId,
    version: entry.version,
    kind: entry.kind,
    late: entry.late,
    legs: entry.legs.map((leg) => ({
      asset: leg.asset,
      amount: changeOf(leg),
      availableAfter: leg.after.available,
      heldAfter: leg.after.held,
      overageAfter: leg.after.overage,
    })),
    holdRef: entry.hold?.ref,
    grantNo: entry.grant?.no,
    operationId: entry.operationId,
    attached: entry.attached,
    told: toldOf(entry.reply),
    occurredAtMs: entry.atMs,
  };
}
