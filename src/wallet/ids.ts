// Public ids, made from where a thing is: a hold's id says wallet and asset, so settling needs no look-up.
import { partitionOf, type WalletRef } from './keys.ts';
const walletIdPattern = '([A-Za-z0-9_-]{22})';
const holdPattern = new RegExp(`^hold_${walletIdPattern}([0-9]{1,5})\\.([0-9]{1,10}\\.[0-9]{1,16})$`);
const grantPattern = new RegExp(`^grt_${walletIdPattern}([0-9]{1,10})$`);
const grantNoMax = 2 ** 32 - 1;

export function holdIdOf(walletId: string, asset: number, ref: string): string {
  return `hold_${walletId}${asset}.${ref}`;
}

export function parseHoldId(id: string): (WalletRef & { asset: number; ref: string }) | undefined {
  const match = holdPattern.exec(id);
  if (!match) return undefined;
  const walletId = match[1]!;
  return { walletId, partition: partitionOf(walletId), asset: Number(match[2]), ref: match[3]! };
}

export function grantIdOf(walletId: string, grantNo: number): string {
  return `grt_${walletId}${grantNo}`;
}

export function parseGrantId(id: string): { walletId: string; grantNo: number } | undefined {
  const match = grantPattern.exec(id);
  const grantNo = Number(match?.[2]);
  return match && grantNo <= grantNoMax ? { walletId: match[1]!, grantNo } : undefined;
}

export function chargeIdOf(walletId: string, epoch: number, version: number): string {
  return `chg_${walletId}${epoch}.${version}`;
}

export function entryIdOf(walletId: string, version: number): string {
  return `ent_${walletId}${version}`;
}
