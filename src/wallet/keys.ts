// Every Redis key of Farebox, and the ids that lead to them.
//
// All keys of a partition share its hash tag, so a script touches one slot. A wallet's id is derived from its
// environment and customer, so no look-up stands before the script; text of callers never becomes part of a key.
import { hash } from 'node:crypto';
import { partitionsCount } from '../limits.ts';

export type WalletRef = { walletId: string; partition: number };

/** 128 bits of SHA-256 over environment and customer, in 22 characters; the last byte is the partition. */
export function walletOf(environmentId: string, customerId: string): WalletRef {
  const text = hash('sha256', `${environmentId}\0${customerId}`, 'base64url');
  // Of the last character, two bits are of the 128.
  const walletId = text.slice(0, lastAt) + alphabet[sextets[text.charCodeAt(lastAt)]! & 0x30]!;
  return { walletId, partition: partitionOf(walletId) };
}

const lastAt = 21;
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const sextets = new Uint8Array(128);
for (let bits = 0; bits < alphabet.length; bits += 1) sextets[alphabet.charCodeAt(bits)] = bits;

const tags = Array.from({ length: partitionsCount }, (_, partition) => `{p${String(partition).padStart(3, '0')}}`);

export const fenceKey = (partition: number): string => `${tags[partition]}:fence`;
export const clockKey = (partition: number): string => `${tags[partition]}:clock`;
export const deadlinesKey = (partition: number): string => `${tags[partition]}:deadlines`;
export const outboxKey = (partition: number, epoch: number): string => `${tags[partition]}:outbox:${epoch}`;
export const walletKey = ({ walletId, partition }: WalletRef): string => `${tags[partition]}:w:${walletId}`;
export const holdsKey = ({ walletId, partition }: WalletRef): string => `${tags[partition]}:h:${walletId}`;
// Of 30 characters: with one more, a remembered operation took 234 bytes of Redis and not 218 (`npm run bench -- memory`).
export const operationKey = (partition: number, operationId: string): string => `${tags[partition]}o:${operationId}`;
export const lateKey = ({ walletId, partition }: WalletRef, holdRef: string): string =>
  `${tags[partition]}:late:${walletId}:${holdRef}`;

/** Hash: by environment, the catalog version below which this partition's scripts price nothing. */
export const catalogKey = (partition: number): string => `${tags[partition]}:catalog`;

/** Written and deleted by one script, for what that makes of the append-only file: see seal.whole in lua/lib/seal.lua. */
export const scratchKey = (partition: number): string => `${tags[partition]}:scratch`;

/** A counter that rises with every revoked key; gateways poll it. */
export const revocationsKey = 'farebox:revocations';

/** The partition that a wallet's id says. */
export function partitionOf(walletId: string): number {
  const [high, low] = [sextets[walletId.charCodeAt(lastAt - 1)]!, sextets[walletId.charCodeAt(lastAt)]!];
  return ((high << 2) | (low >> 4)) & 0xff;
}

/** The keys that every money script takes, for one operation on one wallet. */
export function moneyKeys(wallet: WalletRef, epoch: number, operationId: string, lateKey = ''): MoneyKeys {
  const { partition } = wallet;
  return {
    fenceKey: fenceKey(partition),
    clockKey: clockKey(partition),
    walletKey: walletKey(wallet),
    holdsKey: holdsKey(wallet),
    deadlinesKey: deadlinesKey(partition),
    operationKey: operationKey(partition, operationId),
    outboxKey: outboxKey(partition, epoch),
    catalogKey: catalogKey(partition),
    lateKey,
  };
}

export type MoneyKeys = {
  fenceKey: string;
  clockKey: string;
  walletKey: string;
  holdsKey: string;
  deadlinesKey: string;
  operationKey: string;
  outboxKey: string;
  catalogKey: string;
  /** Of a settle alone: its hold's, should it have expired. */
  lateKey: string;
};

/** Hash: what workers measured, by worker; gateways show it. */
export const workerMetricsKey = 'farebox:worker-metrics';
