// A grant as the API shows it: terms from the ledger, numbers from the live wallet while it has any.
import { z } from '@hono/zod-openapi';
import type { Grant as GrantReply } from '../contract.ts';
import type { Asset, Credit, CreditApplied, GrantRecord } from '../records.ts';
import { zeroAtoms, type Atoms } from '../units.ts';
import { format } from './amount.ts';
import { grantScope, showScope } from './grant-scope.ts';
import type { LiveGrant, LiveWallet } from '../wallet/read-wallet.ts';
import { recurrenceReply, showRecurrence } from './recurrence.ts';
import { amountOut, metadataOut, timeOut } from './schemas.ts';
import { formatTime, formatTimeOrNull } from './time.ts';

export const grantReply = z
  .object({
    id: z.string().openapi({ description: '`grt_…`' }),
    customer_id: z.string(),
    asset: z.string(),
    amount: amountOut,
    remaining: amountOut.openapi({ description: 'Neither spent nor held, nor gone to repay overage.' }),
    held: amountOut,
    purpose: z.enum(['promotional', 'bundled', 'paid']),
    priority: z.int(),
    status: z.enum(['scheduled', 'active', 'spent', 'expired', 'voided']),
    effective_at: timeOut,
    expires_at: timeOut.nullable(),
    scope: grantScope.nullable().openapi({ description: 'What it may pay for; null: anything.' }),
    recurrence: recurrenceReply.optional().openapi({ description: 'Absent: it does not recur.' }),
    description: z.string().nullable(),
    metadata: metadataOut,
    created_at: timeOut,
  })
  .openapi('Grant');

type Terms = Omit<Credit, 'operationId' | 'fingerprint' | 'applied'> & { createdAtMs: number };
type Numbers = { state: GrantReply['status']; remaining: Atoms; held: Atoms; effectiveAtMs: number };

/** Right after it was applied: what the script said, and nothing else, so that a repeat is told the same. */
export function grantAsApplied(id: string, terms: Terms, applied: CreditApplied, asset: Asset): GrantReply {
  return show(id, terms, { ...applied, held: zeroAtoms }, asset);
}

/** As it is now: live while the wallet has it; what has ended and is not there has nothing left, nor anything held. */
export function grantAsItIs(id: string, record: GrantRecord, live: LiveGrant | undefined, asset: Asset): GrantReply {
  const nothing = { state: record.state ?? 'active', remaining: zeroAtoms, held: zeroAtoms };
  const { state, remaining, held } = live ?? nothing;
  // A rollover gives it another end, which the ledger may not have heard of.
  const terms = live ? { ...record, expiresAtMs: live.expiresAtMs } : record;
  return show(id, terms, { state, remaining, held, effectiveAtMs: live?.effectiveAtMs ?? effectiveAt(record) }, asset);
}

/** Right after it was voided, from nothing that changes later. */
export function grantAsVoided(id: string, record: GrantRecord, held: Atoms, asset: Asset): GrantReply {
  const numbers = { state: 'voided', remaining: zeroAtoms, held, effectiveAtMs: effectiveAt(record) } as const;
  return show(id, record, numbers, asset);
}

const effectiveAt = (record: GrantRecord): number => record.effectiveAtMs ?? record.createdAtMs;

/** Whether the ledger knows how a grant ended: that stays, while what is still held of it is live. */
export function hasEnded(record: GrantRecord): boolean {
  switch (record.state) {
    case 'expired':
    case 'voided':
    case 'spent':
      return true;
    case 'active':
    case 'scheduled':
    case undefined:
      return false;
  }
}

/** The grants that a live wallet has, by number. */
export function liveGrantsOf(wallet: LiveWallet): Map<number, LiveGrant> {
  const all = [...wallet.accounts.flatMap((account) => account.grants), ...wallet.scheduled];
  return new Map(all.map((grant) => [grant.no, grant]));
}

function show(id: string, terms: Terms, numbers: Numbers, asset: Asset): GrantReply {
  const { held } = numbers;
  // What is scheduled is in no account yet: nothing of it is spent.
  const remaining = numbers.state === 'scheduled' ? terms.amount : numbers.remaining;
  const isSpent = numbers.state === 'active' && remaining === zeroAtoms && held === zeroAtoms;
  return {
    id,
    customer_id: terms.customerId,
    asset: asset.code,
    amount: format(terms.amount, asset),
    remaining: format(remaining, asset),
    held: format(held, asset),
    purpose: terms.purpose,
    priority: terms.priority,
    status: isSpent ? 'spent' : numbers.state,
    effective_at: formatTime(numbers.effectiveAtMs),
    expires_at: formatTimeOrNull(terms.expiresAtMs),
    scope: showScope(terms.scope),
    ...(terms.recurrence && { recurrence: showRecurrence(terms.recurrence, asset) }),
    description: terms.description ?? null,
    metadata: terms.metadata,
    created_at: formatTime(terms.createdAtMs),
  };
}
