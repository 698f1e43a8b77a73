// Proof: the entries alone make the wallet that is stored, and each of them follows from those before it.
import type { Transaction } from '../../src/db/connect.ts';
import { compareWallet } from './compare-wallet.ts';
import { compareEndedHolds } from './ended-holds.ts';
import { joinVerdicts, type Offender, offendersMax, type Proof, type Verdict } from './proof.ts';
import { applyEntry, newWallet, type RebuiltWallet, type TransferRow } from './rebuilt-wallet.ts';
import { nextWallet, type OfWallet, openWalletStreams, rowOf, takeRows, type WalletStreams } from './wallet-streams.ts';

export const rebuild: Proof = {
  name: 'rebuild',
  claim: 'each wallet, rebuilt from its entries alone, is the stored one: accounts, grants, holds and freeze',
  unit: 'entries',
  run: async (sql, onChecked) => joinVerdicts(await rebuildWallets(sql, onChecked), await compareEndedHolds(sql)),
};

async function rebuildWallets(sql: Transaction, onChecked: (checked: number) => void): Promise<Verdict> {
  const streams = await openWalletStreams(sql);
  const offenders: Offender[] = [];
  let failed = 0;
  let checked = 0;
  for (let wallet = nextWallet(streams); wallet; wallet = nextWallet(streams)) {
    const { rebuilt, complaint } = await rebuildWallet(streams, wallet, () => onChecked(++checked));
    const stored = {
      ...wallet,
      head: [...(await takeRows(streams.wallets, wallet, () => 0)).values()][0],
      accounts: await takeRows(streams.accounts, wallet, ({ asset }) => asset),
      grants: await takeRows(streams.grants, wallet, ({ no }) => no),
      holds: await takeRows(streams.holds, wallet, ({ ref }) => ref),
    };
    const what = complaint ?? compareWallet(stored, rebuilt);
    if (what === undefined) continue;
    failed += 1;
    if (offenders.length < offendersMax)
      offenders.push({ who: `env_${wallet.environmentId} wallet ${wallet.walletId}`, what });
  }
  return { checked, failed, offenders };
}

/** Takes all entries of the wallet from the streams; the complaint is the first, for what follows one means nothing. */
async function rebuildWallet(
  { entries, transfers }: WalletStreams,
  wallet: OfWallet,
  onEntry: () => void,
): Promise<{ rebuilt: RebuiltWallet; complaint: string | undefined }> {
  const rebuilt = newWallet();
  let complaint: string | undefined;
  for (let entry = rowOf(entries, wallet); entry; entry = rowOf(entries, wallet)) {
    const own: TransferRow[] = [];
    for (let transfer = rowOf(transfers, wallet); transfer; transfer = rowOf(transfers, wallet)) {
      if (transfer.version > entry.version) break;
      if (transfer.version === entry.version) own.push(transfer);
      else complaint ??= noEntry(transfer.version);
      const more = transfers.next();
      if (more) await more;
    }
    if (complaint === undefined) {
      const wrong = applyEntry(rebuilt, entry, own);
      if (wrong !== undefined) complaint = `version ${entry.version}: ${wrong}`;
    }
    onEntry();
    const more = entries.next();
    if (more) await more;
  }
  for (let transfer = rowOf(transfers, wallet); transfer; transfer = rowOf(transfers, wallet)) {
    complaint ??= noEntry(transfer.version);
    const more = transfers.next();
    if (more) await more;
  }
  return { rebuilt, complaint };
}

function noEntry(version: bigint): string {
  return `transfers of version ${version}, which has no entry`;
}
