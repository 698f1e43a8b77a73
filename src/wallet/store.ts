// What every wallet call needs: the connection, the fences, Redis's clock, and the ledger for what Redis has let go of.
import type { Redis } from 'ioredis';
import { partitionsCount } from '../limits.ts';
import type { Checkpoint, HoldRecord, LedgerWallet } from '../records.ts';
import { redisClock, type RedisClock } from './clock.ts';

/** The ledger's side, handed in by main.ts so that nothing here reaches Postgres by import. */
export type LedgerReader = {
  /** From the primary: a replica that lags would bring back spent money. */
  loadWallet: (by: { environmentId: string | undefined; walletId: string }) => Promise<LedgerWallet | undefined>;
  walletVersion: (environmentId: string, walletId: string) => Promise<number | undefined>;
  readCheckpoint: (partition: number) => Promise<Checkpoint>;
  findHold: (environmentId: string, walletId: string, ref: string) => Promise<HoldRecord | undefined>;
};

export type Store = {
  redis: Redis;
  clock: RedisClock;
  ledger: LedgerReader;
  /** By partition: `<installation uuid>:<epoch>`, compared by every script. */
  fences: string[];
  epochs: number[];
  /** Entries were appended here: the drain should look. */
  markDirty: (partition: number) => void;
  onFenced: (partition: number) => void;
  onWarning: (message: string, fields: Record<string, unknown>) => void;
};

export type StoreOptions = Omit<Store, 'clock' | 'fences' | 'epochs'> & { installation: string; epochs: number[] };

export function openStore({ installation, epochs, ...rest }: StoreOptions): Store {
  if (epochs.length !== partitionsCount) throw new Error(`expected ${partitionsCount} epochs, got ${epochs.length}`);
  const fences = epochs.map((epoch) => `${installation}:${epoch}`);
  return { ...rest, clock: redisClock(rest.redis), fences, epochs };
}
