// What clients were told against what the ledger has: each yes once, each no never, nothing that nobody asked for.
import { describeRequest, operationIdOf, verdictOf, type Request } from '../history.ts';
import type { LedgerEntry } from './ledger-entry.ts';
import { isShadow } from './replies.ts';
import type { Violation } from './violation.ts';

export type Told = { violations: Violation[]; /** Acknowledged, and not in the ledger. */ lost: Request[] };

export function checkTold(environmentId: string, requests: readonly Request[], entries: readonly LedgerEntry[]): Told {
  const byOperation = new Map<string, LedgerEntry[]>();
  for (const entry of entries) {
    if (entry.operationId === null) continue;
    byOperation.set(entry.operationId, [...(byOperation.get(entry.operationId) ?? []), entry]);
  }
  const told: Told = { violations: [], lost: [] };
  for (const request of requests) {
    if (request.reusesKey) continue;
    const id = operationIdOf(environmentId, request);
    const found = byOperation.get(id) ?? [];
    byOperation.delete(id);
    judge(told, request, found);
  }
  for (const [id, found] of byOperation) {
    // Farebox freezes wallets by itself, under operations of its own.
    if (found.every(({ kind }) => kind === 'freeze' || kind === 'unfreeze')) continue;
    const what = `operation ${id}: ${found.map(placeOf).join(', ')}`;
    told.violations.push({ check: 'unasked', who: found[0]!.walletId, what });
  }
  return told;
}

function judge(told: Told, request: Request, found: readonly LedgerEntry[]): void {
  const who = describeRequest(request);
  const where = found.map(placeOf).join(', ');
  if (found.length > 1) told.violations.push({ check: 'once', who, what: `has ${found.length} entries: ${where}` });
  if (isShadow(request)) {
    if (found.length > 0) told.violations.push({ check: 'no-debit', who, what: `a shadow has an entry: ${where}` });
    return;
  }
  switch (verdictOf(request)) {
    case 'yes':
      if (found.length === 0) told.lost.push(request);
      return;
    case 'no':
      if (found.length > 0) told.violations.push({ check: 'no-debit', who, what: `has an entry: ${where}` });
      return;
    case 'open':
      told.violations.push({ check: 'resolved', who, what: `is in doubt still; ${where || 'it has no entry'}` });
  }
}

const placeOf = ({ kind, version }: LedgerEntry): string => `${kind} at version ${version}`;
