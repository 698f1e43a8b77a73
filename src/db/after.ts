// What a batch comes to: the state after it of every wallet, account, grant and hold that it touches, as columns.
//
// Rows here are fewer than entries: of what changes several times in a batch, only the last state is written.
import type { Entry } from '../outbox/entry.ts';
import type { DecodedEntry } from '../outbox/flaw.ts';
import { plainArray, textArray } from './array-text.ts';
import { expiryOf, ledgerAccount, type Batch } from './batch.ts';
import type { LedgerAccount } from './schema.ts';

export type After = ReturnType<typeof afterBatch>;

type Terms = NonNullable<Entry['grant']>['terms'];
type Hold = NonNullable<Entry['hold']>;
type Numbered<T> = T & { walletNo: number };

export function afterBatch({ entries, walletNos }: Batch) {
  const last = new Map<number, DecodedEntry>();
  const accounts = new Map<string, Numbered<Entry['legs'][number]>>();
  const terms = new Map<string, Numbered<{ grantNo: number; terms: Terms }>>();
  const moves = new Map<string, Numbered<Entry['moves'][number]>>();
  const holds = new Map<string, Numbered<Hold & { partition: number; late: boolean; endedAtMs: number | undefined }>>();
  const balances = new Map<
    string,
    { environment: string; asset: number; account: LedgerAccount; partition: number; change: bigint }
  >();
  const credited: Numbered<{ grantNo: number }>[] = [];

  entries.forEach((decoded, i) => {
    const { entry, partition } = decoded;
    const walletNo = walletNos[i] ?? 0;
    last.set(walletNo, decoded);
    if (entry.grant) {
      const { no, terms: after } = entry.grant;
      terms.set(`${walletNo} ${no}`, { walletNo, grantNo: no, terms: after });
      if (entry.kind === 'grant' || entry.kind === 'schedule_grant') credited.push({ walletNo, grantNo: no });
    }
    for (const leg of entry.legs) {
      accounts.set(`${walletNo} ${leg.asset}`, { ...leg, walletNo });
      for (const { debit, credit, atoms } of leg.transfers) {
        for (const [account, change] of [
          [debit, -atoms],
          [credit, atoms],
        ] as const) {
          if (account === 'available' || account === 'held' || account === 'overage') continue;
          const name = ledgerAccount(account, entry.grant?.terms.purpose);
          const key = `${entry.environment} ${leg.asset} ${name} ${partition}`;
          const known = balances.get(key);
          if (known) known.change += change;
          else
            balances.set(key, { environment: entry.environment, asset: leg.asset, account: name, partition, change });
        }
      }
    }
    for (const move of entry.moves) moves.set(`${walletNo} ${move.grantNo}`, { ...move, walletNo });
    if (entry.hold) {
      const key = `${walletNo} ${entry.hold.ref}`;
      // A late settle comes after the hold's end, and doesn't move it.
      const endedAtMs = holds.get(key)?.endedAtMs ?? (entry.hold.status === 'open' ? undefined : entry.atMs);
      holds.set(key, { ...entry.hold, walletNo, partition, late: entry.late, endedAtMs });
    }
  });

  return {
    wallets: walletColumns([...last.values()]),
    accounts: accountColumns([...accounts.values()]),
    terms: termsColumns([...terms.values()]),
    moves: moveColumns([...moves.values()]),
    holds: holdColumns([...holds.values()]),
    environmentAccounts: balanceColumns([...balances.values()]),
    credited: {
      count: credited.length,
      walletNo: plainArray(credited.map(({ walletNo }) => walletNo)),
      grantNo: plainArray(credited.map(({ grantNo }) => grantNo)),
    },
  };
}

/** One for each wallet, in the order of the batch's wallets. */
function walletColumns(lasts: DecodedEntry[]) {
  return {
    version: plainArray(lasts.map(({ entry }) => entry.version)),
    freeze: plainArray(lasts.map(({ entry }) => entry.freeze)),
  };
}

function accountColumns(accounts: Numbered<Entry['legs'][number]>[]) {
  return {
    walletNo: plainArray(accounts.map(({ walletNo }) => walletNo)),
    asset: plainArray(accounts.map(({ asset }) => asset)),
    available: plainArray(accounts.map(({ after }) => after.available)),
    held: plainArray(accounts.map(({ after }) => after.held)),
    overage: plainArray(accounts.map(({ after }) => after.overage)),
    scheduled: plainArray(accounts.map(({ after }) => after.scheduled)),
  };
}

function termsColumns(grants: Numbered<{ grantNo: number; terms: Terms }>[]) {
  return {
    count: grants.length,
    walletNo: plainArray(grants.map(({ walletNo }) => walletNo)),
    grantNo: plainArray(grants.map(({ grantNo }) => grantNo)),
    state: plainArray(grants.map(({ terms }) => terms.state)),
    purpose: plainArray(grants.map(({ terms }) => terms.purpose)),
    priority: plainArray(grants.map(({ terms }) => terms.priority)),
    scoped: plainArray(grants.map(({ terms }) => terms.scoped)),
    asset: plainArray(grants.map(({ terms }) => terms.asset)),
    amount: plainArray(grants.map(({ terms }) => terms.amount)),
    effectiveAtMs: plainArray(grants.map(({ terms }) => terms.effectiveAtMs)),
    expiresAtMs: plainArray(grants.map(({ terms }) => expiryOf(terms.expiresAtMs))),
    createdAtMs: plainArray(grants.map(({ terms }) => terms.createdAtMs)),
  };
}

function moveColumns(moves: Numbered<Entry['moves'][number]>[]) {
  return {
    walletNo: plainArray(moves.map(({ walletNo }) => walletNo)),
    grantNo: plainArray(moves.map(({ grantNo }) => grantNo)),
    remaining: plainArray(moves.map(({ remaining }) => remaining)),
    held: plainArray(moves.map(({ held }) => held)),
  };
}

function holdColumns(holds: Numbered<Hold & { partition: number; late: boolean; endedAtMs: number | undefined }>[]) {
  return {
    walletNo: plainArray(holds.map(({ walletNo }) => walletNo)),
    ref: textArray(holds.map(({ ref }) => ref)),
    partition: plainArray(holds.map(({ partition }) => partition)),
    status: plainArray(holds.map(({ status }) => status)),
    late: plainArray(holds.map(({ late }) => late)),
    asset: plainArray(holds.map(({ terms }) => terms.asset)),
    amount: plainArray(holds.map(({ terms }) => terms.amount)),
    held: plainArray(holds.map(({ terms }) => terms.held)),
    settled: plainArray(holds.map(({ terms }) => terms.settled)),
    released: plainArray(holds.map(({ terms }) => terms.released)),
    createdAtMs: plainArray(holds.map(({ terms }) => terms.createdAtMs)),
    expiresAtMs: plainArray(holds.map(({ terms }) => terms.expiresAtMs)),
    endedAtMs: plainArray(holds.map(({ endedAtMs }) => endedAtMs ?? null)),
    // As text, one array a hold: few holds hold from more than one grant when a batch ends.
    sourceGrants: textArray(holds.map(({ terms }) => plainArray(terms.sources.map(({ grantNo }) => grantNo)))),
    sourceAtoms: textArray(holds.map(({ terms }) => plainArray(terms.sources.map(({ atoms }) => atoms)))),
  };
}

function balanceColumns(
  balances: { environment: string; asset: number; account: LedgerAccount; partition: number; change: bigint }[],
) {
  return {
    count: balances.length,
    environmentId: plainArray(balances.map(({ environment }) => environment)),
    asset: plainArray(balances.map(({ asset }) => asset)),
    account: plainArray(balances.map(({ account }) => account)),
    partition: plainArray(balances.map(({ partition }) => partition)),
    change: plainArray(balances.map(({ change }) => change)),
  };
}
