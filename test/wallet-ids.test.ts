// Wallets' ids are in Postgres and in the ids that callers keep: they never change.
import { hash } from 'node:crypto';
import { expect, test } from 'vitest';
import { partitionOf, walletOf } from '../src/wallet/keys.ts';

test('a wallet has the id and the partition that it always had', () => {
  expect(walletOf('env_000000000000', 'user_42')).toEqual({ walletId: 'GH6WeDJuM3_dOJJBR4DGVA', partition: 84 });
});

test('the id is the first 128 bits of SHA-256, and its last byte the partition', () => {
  for (let no = 0; no < 5_000; no += 1) {
    const bytes = Buffer.from(hash('sha256', `env_000000000000\0${no}`, 'hex'), 'hex').subarray(0, 16);
    const walletId = bytes.toString('base64url');
    expect(walletOf('env_000000000000', String(no))).toEqual({ walletId, partition: bytes[15] });
    expect(partitionOf(walletId)).toBe(bytes[15]);
  }
});
