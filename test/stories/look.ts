// A look at all that Redis has of a wallet, raw and read; and what must hold of it, whatever happened.
import type { Redis } from 'ioredis';
import { codes } from '../../src/codes.gen.ts';
import { clockKey, deadlinesKey, holdsKey, outboxKey, walletKey } from '../../src/wallet/keys.ts';
import { decodeReply } from '../../src/wallet/script.ts';
import { readWalletScript, type ReadWalletReply } from '../../src/wallet/scripts.gen.ts';
import type { Balances, Hold } from '../model/wallet.ts';
import type { Counter } from '../model/counters.ts';
import { differences } from './differences.ts';
import { readEntry, type SeenEntry } from './entries.ts';
import type { SeenUsage } from './prices.ts';
import { takeEntry, type Ledger, type LedgerGrant } from './ledger.ts';
import { complaintsOf, readStored, type Stored } from './stored.ts';
import { environment, epoch, fcall, fence, keysOf, send, type Command, type StoryWallet } from './wallets.ts';

export type Settled = PromiseSettledResult<unknown>;
export type Look = {
  /** What read_wallet answered, and the wallet's fields beside it. */
  read: ReadWalletReply;
  fields: Buffer[];
  stored: Stored;
  entries: SeenEntry[];
  entryIds: string[];
};

export const looksCount = 6;

/** `looksCount` commands. */
export function lookCommands(wallet: StoryWallet, afterSeq: number): Command[] {
  const { partition } = wallet;
  return [
    fcall(readWalletScript, keysOf(wallet), { fence, environment }),
    { name: 'HGETALL', values: [walletKey(wallet)] },
    { name: 'HGETALL', values: [holdsKey(wallet)] },
    { name: 'ZRANGE', values: [deadlinesKey(partition), 0, -1, 'WITHSCORES'] },
    { name: 'GET', values: [clockKey(partition)] },
    { name: 'XRANGE', values: [outboxKey(partition, epoch), `(${afterSeq}-0`, '+'] },
  ];
}

/** Throws where something cannot be read. */
export function readLook(wallet: StoryWallet, results: Settled[]): Look {
  const values = results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
  const [read, fields, holds, deadlines, clock, outbox] = values as [
    unknown[],
    Buffer[],
    Buffer[],
    Buffer[],
    Buffer,
    [Buffer, [Buffer, Buffer]][],
  ];
  return {
    read: decodeReply(readWalletScript, read),
    fields,
    stored: readStored(wallet, { fields, holds, deadlines, clock }),
    entries: outbox.map(([, [, packed]]) => readEntry(packed)),
    entryIds: outbox.map(([id]) => String(id)),
  };
}

export async function lookAt(redis: Redis, wallet: StoryWallet): Promise<Look> {
  return readLook(wallet, await send(redis, lookCommands(wallet, 0)));
}

/** The entries that are new go into the ledger; then both must tell of the same wallet, and it must add up. */
export function proofsFailed({ stored, entries }: Look, ledger: Ledger): string[] {
  return [
    ...entries.flatMap((entry) => takeEntry(ledger, entry)),
    ...differences('the wallet that its entries tell', toldByEntries(ledger), told(stored, stored.freeze)),
    ...complaintsOf(stored),
  ];
}

function toldByEntries({ version, freeze, accounts, grants, holds, counters, usage }: Ledger): unknown {
  const wallet = {
    version,
    accounts: [...accounts].map(([asset, balances]) => ({ asset, ...balances })),
    grants: [...grants.values()],
    holds: [...holds.values()],
    counters,
    usage,
  };
  return told(wallet, codes.freeze[freeze]);
}

type Told = {
  version: number;
  accounts: (Balances & { asset: number })[];
  grants: LedgerGrant[];
  holds: Hold[];
  counters: Record<number, Counter>;
  usage: SeenUsage;
};

// What entries alone must tell of a wallet.
function told({ version, accounts, grants, holds, counters, usage }: Told, freeze: number): unknown {
  return {
    ...{ version, freeze },
    accounts: accounts
      .map(({ asset, available, held, overage, scheduled }) => ({ asset, available, held, overage, scheduled }))
      .filter(({ available, held, overage, scheduled }) => available + held + overage + scheduled > 0n)
      .sort((a, b) => a.asset - b.asset),
    // What is to roll over stands in what was asked for.
    grants: grants.toSorted((a, b) => a.no - b.no).map(({ rollover: _rollover, ...grant }) => grant),
    counters,
    usage,
    holds: holds.sort((a, b) => (a.ref < b.ref ? -1 : 1)),
  };
}
