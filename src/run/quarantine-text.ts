// Entries in quarantine as text for people: what their bytes say, as far as they say anything.
import type { QuarantineGroup, QuarantineRow } from '../db/quarantine.ts';
import { decodeEntry } from '../outbox/entry.ts';
import { accountOf, cursor, freezeOf, kindOf, readBalances } from '../wallet/packed.ts';
import { entryRecord, entryText } from './entry-text.ts';
import type { Assets } from './wallet-text.ts';

const hexWidth = 64;

export function groupText(group: QuarantineGroup): string {
  const { environmentId, walletId, customerId, partition, firstId, reason, waiting, rejected, sinceMs } = group;
  const who =
    walletId === undefined
      ? `nobody known, partition ${partition}`
      : `${customerId ?? 'no customer known'} of env_${environmentId}, wallet ${walletId}`;
  const since = new Date(sinceMs).toISOString();
  const counts = `${waiting} waiting${rejected > 0 ? `, ${rejected} rejected` : ''}`;
  const why =
    firstId === undefined
      ? 'all rejected: the wallet waits to be rebuilt (farebox reconcile --take ledger)'
      : `first ${firstId}: ${reason}`;
  return `${since}  ${who}: ${counts}; ${why}`;
}

export function rowText(row: QuarantineRow, assets: Assets): string {
  const { id, partition, epoch, seq, at, reason, resolvedAt, resolution, raw } = row;
  const state = resolvedAt === null ? 'waiting' : `${resolution} ${new Date(resolvedAt).toISOString()}`;
  return [
    `entry ${id}: partition ${partition}, epoch ${epoch}, seq ${seq}, set aside ${new Date(at).toISOString()}, ${state}`,
    `reason: ${reason}`,
    '',
    ...decodedLines(raw, assets),
    '',
    raw.length === 0 ? 'no bytes: this stands for what is missing' : `${raw.length} bytes:`,
    ...(raw.toString('hex').match(new RegExp(`.{1,${hexWidth}}`, 'g')) ?? []),
  ].join('\n');
}

/** The whole entry, or its fields one by one up to the one that makes no sense. */
function decodedLines(raw: Buffer, assets: Assets): string[] {
  if (raw.length === 0) return [];
  try {
    return [entryText(entryRecord(decodeEntry(raw)), assets)];
  } catch (error) {
    return [...fieldsOf(raw), `then: ${error instanceof Error ? error.message : String(error)}`];
  }
}

// The layout's head and legs (src/outbox/entry.ts): what comes after them tells people little when it is broken.
function fieldsOf(raw: Buffer): string[] {
  const from = cursor(raw);
  const lines: string[] = [];
  const tell = (name: string, read: () => string | number) => lines.push(`${name}: ${String(read())}`);
  try {
    tell('format', from.byte);
    tell('kind', () => kindOf(from.byte()));
    tell('late', from.byte);
    tell('freeze', () => freezeOf(from.byte()));
    tell('version', from.whole);
    tell('at', () => new Date(from.whole()).toISOString());
    tell('epoch', from.uint32);
    tell('environment', () => from.text(12));
    tell('wallet', () => from.text(22));
    const legs = from.byte();
    tell('legs', () => legs);
    for (let leg = 0; leg < legs; leg += 1) {
      tell('asset', from.uint16);
      tell('after, in atoms', () => {
        const { available, held, overage, scheduled } = readBalances(from);
        return `available ${available}, held ${held}, overage ${overage}, scheduled ${scheduled}`;
      });
      const transfers = from.byte();
      for (let transfer = 0; transfer < transfers; transfer += 1) {
        tell('transfer', () => `${accountOf(from.byte())} → ${accountOf(from.byte())} ${from.atoms()}`);
      }
    }
  } catch {
    // `decodeEntry` has said where and why.
  }
  return lines;
}
