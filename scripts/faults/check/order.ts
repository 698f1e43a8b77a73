// The order of a wallet's operations: versions without gaps, time that goes forward, and the order that clients saw.
import { describeRequest, type Request } from '../history.ts';
import { firstSentMs } from './kept.ts';
import type { LedgerEntry } from './ledger-entry.ts';
import type { Violation } from './violation.ts';

export function checkVersions(entries: readonly LedgerEntry[]): Violation[] {
  const violations: Violation[] = [];
  entries.forEach((entry, index) => {
    const { walletId: who, version, atMs } = entry;
    if (version !== index + 1) {
      violations.push({ check: 'contiguous', who, what: `version ${version} where ${index + 1} is due` });
    }
    const before = entries[index - 1];
    if (before && atMs < before.atMs) {
      violations.push({ check: 'time', who, what: `version ${version} happened before version ${before.version}` });
    }
  });
  // One gap shifts all that follow.
  return violations.slice(0, 3);
}

/** An operation of the ledger, and when its yes was first there: for ever, where none was that is not lost. */
export type Placed = { readonly request: Request; readonly version: number; readonly yesMs: number };

/**
 * What was answered before another was asked for must have the smaller version. Read from the last version down: the
 * earliest answer among those above must not be older than the question.
 */
export function checkRealTime(placed: readonly Placed[]): Violation[] {
  const violations: Violation[] = [];
  let earliest: Placed | undefined;
  for (const one of [...placed].sort((a, b) => b.version - a.version)) {
    if (earliest && earliest.yesMs < firstSentMs(one.request)) {
      const after = `version ${earliest.version}, ${describeRequest(earliest.request)}`;
      const what = `version ${one.version} was asked for after the answer to ${after}`;
      violations.push({ check: 'real-time', who: describeRequest(one.request), what });
    }
    if (!earliest || one.yesMs < earliest.yesMs) earliest = one;
  }
  return violations.slice(0, 3);
}

/** The versions that a wallet may have been at between two instants: what was answered before, and what was asked after. */
export type Window = (sentMs: number, endedMs: number) => { from: number; to: number };

/** Between which versions a wallet was while a request was under way. */
export function windowsOf(placed: readonly Placed[], entries: readonly LedgerEntry[]): Window {
  const last = entries.length;
  const answered = placed.map(({ version, yesMs }) => ({ version, atMs: yesMs })).sort((a, b) => a.atMs - b.atMs);
  const asked = placed
    .map(({ request, version }) => ({ version, atMs: firstSentMs(request) }))
    .sort((a, b) => a.atMs - b.atMs);
  return (sentMs, endedMs) => {
    const from = answered.reduce((most, { version, atMs }) => (atMs < sentMs ? Math.max(most, version) : most), 0);
    const to = asked.reduce(
      (least, { version, atMs }) => (atMs > endedMs ? Math.min(least, version - 1) : least),
      last,
    );
    return { from, to };
  };
}
