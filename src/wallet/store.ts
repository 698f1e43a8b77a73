// What every wallet call needs: the connections, the fences, and the ledger for what Redis has let go of.
import type { Checkpoint, HoldRecord, LedgerWallet } from '../records.ts';
import { openFences, type EpochReader, type Fences } from './fences.ts';
import type { Nodes } from './nodes.ts';
import type { Trouble } from './target.ts';

/** The ledger's side, handed in by main.ts so that nothing here reaches Postgres by import. */
export type LedgerReader = EpochReader & {
  /** From the primary: a replica that lags would bring back spent money. */
  loadWallet: (by: { environmentId: string | undefined; walletId: string }) => Promise<LedgerWallet | undefined>;
  walletVersion: (environmentId: string, walletId: string) => Promise<number | undefined>;
  readCheckpoint: (partition: number) => Promise<Checkpoint>;
  findHold: (environmentId: string, walletId: string, ref: string) => Promise<HoldRecord | undefined>;
  /** An operation's record, fingerprint and reply, as Redis keeps it. */
  findOperation: (environmentId: string, operationId: string, sinceMs?: number) => Promise<Buffer | undefined>;
};

export type Store = Fences & {
  nodes: Nodes;
  ledger: LedgerReader;
  /** Entries were appended here: the drain should look. */
  markDirty: (partition: number) => void;
  onWarning: (message: string, fields: Record<string, unknown>) => void;
  /** The alarm: a wallet differed from the ledger at an equal version, and was frozen when it was next used. */
  onDifference: () => void;
  /** Wallets that are being brought back by this process, see hydrate.ts. */
  loads: Map<string, Promise<'ready' | Trouble>>;
};

export type StoreOptions = Omit<Store, 'loads' | keyof Fences> & {
  installation: string;
  onFenced: () => void;
};

export async function openStore({ installation, onFenced, ...rest }: StoreOptions): Promise<Store> {
  const { nodes, ledger, onWarning } = rest;
  const fences = await openFences({ nodes, ledger, installation, onFenced, onWarning });
  return { ...rest, ...fences, loads: new Map() };
}
