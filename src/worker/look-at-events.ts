// What Stripe has told of refunds and disputes, by its own list: whatever never reached us is found there.
import type { Sql } from '../db/connect.ts';
import { claimEventLooks, noteEventsSeen, type EventLook } from '../db/event-looks.ts';
import type { Payments } from '../payments/payments.ts';

const intervalMs = 600_000;
/** So much is read once more: an event may be listed late, and clocks differ. */
const overlapMs = 600_000;
/** At once. Stripe keeps them for thirty days. */
const windowMs = 86_400_000;
const keptMs = 29 * windowMs;

export async function lookAtEvents(
  sql: Sql,
  payments: Pick<Payments, 'takeMissed'>,
  onWarning: (message: string, fields: Record<string, unknown>) => void,
): Promise<void> {
  for (const look of await claimEventLooks(sql, intervalMs)) await readOn(sql, payments, onWarning, look);
}

async function readOn(
  sql: Sql,
  payments: Pick<Payments, 'takeMissed'>,
  onWarning: (message: string, fields: Record<string, unknown>) => void,
  { environmentId, seenToMs }: EventLook,
): Promise<void> {
  const nowMs = Date.now();
  for (let fromMs = Math.max(seenToMs, nowMs - keptMs); fromMs < nowMs; fromMs += windowMs) {
    const toMs = Math.min(fromMs + windowMs, nowMs);
    const taken = await payments.takeMissed(environmentId, { fromMs: fromMs - overlapMs, toMs });
    if (taken.status === 'unavailable') {
      onWarning("Stripe's events cannot be listed", { environment: environmentId, detail: taken.detail });
    }
    if (taken.status !== 'taken') return;
    await noteEventsSeen(sql, environmentId, toMs);
  }
}
