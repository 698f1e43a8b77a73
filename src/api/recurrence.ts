// Recurring grants in requests and replies: when they renew, and what becomes of what is left then.
import { z } from '@hono/zod-openapi';
import type { GrantRecurrence } from '../contract.ts';
import { rolloverPeriodsMax } from '../limits.ts';
import { readDecimal, writeDecimal } from '../pricing/decimal.ts';
import { readTimeZone } from '../pricing/local-time.ts';
import type { Asset, InstanceOf, NewRecurrence } from '../records.ts';
import { format, readAmount } from './amount.ts';
import { refuseFields, type Refused } from './answer.ts';
import { amount, amountOut, timeOut, timestamp } from './schemas.ts';
import { formatTime, formatTimeOrNull } from './time.ts';

const partsDecimals = 6;
const onRenew = z.enum(['replace', 'accumulate', 'rollover']).openapi({
  description:
    'What becomes of what is left: it expires (`replace`, the default), stays (`accumulate`), or stays in part (`rollover`).',
});
const each = z.enum(['hour', 'day', 'week', 'month']);
const fraction = z
  .string()
  .regex(/^(1(\.0+)?|0\.[0-9]{1,6})$/, 'must be a fraction above 0, up to "1", with at most 6 decimals')
  .openapi({ description: 'Of what is left, rounded down.', example: '0.5' });

export const recurrenceFields = {
  recurrence: z
    .strictObject({
      each,
      time_zone: z.string().default('UTC').openapi({ example: 'Europe/Berlin' }),
      anchor: timestamp.optional().openapi({
        description: 'A renewal; the others lie whole periods from it. Absent: where the grant begins.',
      }),
    })
    .optional()
    .openapi({ description: 'It comes again, as another grant of the same amount, until one is voided or canceled.' }),
  on_renew: onRenew.optional(),
  rollover: z
    .strictObject({
      fraction,
      maximum: amount.optional().openapi({ description: 'At most so much of one instance.' }),
      periods: z.int().min(1).max(rolloverPeriodsMax).optional().openapi({
        description: 'It expires so many renewals later. Absent: never.',
      }),
    })
    .optional(),
};

export const recurrenceReply = z
  .object({
    id: z.string().openapi({ description: '`rec_…`, the same in all instances.' }),
    instance: z.int().openapi({ description: 'Counts from 1.' }),
    each,
    time_zone: z.string(),
    anchor: timeOut,
    on_renew: onRenew,
    rollover: z.object({ fraction: z.string(), maximum: amountOut.nullable(), periods: z.int().nullable() }).optional(),
    canceled_at: timeOut.nullable().openapi({ description: 'From then on nothing renews.' }),
  })
  .openapi('GrantRecurrence');

type Body = {
  recurrence?: { each: NewRecurrence['each']; time_zone: string; anchor?: number | undefined } | undefined;
  on_renew?: NewRecurrence['onRenew'] | undefined;
  rollover?: { fraction: string; maximum?: string | undefined; periods?: number | undefined } | undefined;
  effective_at?: number | undefined;
  expires_at?: number | undefined;
};

/** Undefined: it does not recur. */
export function readRecurrence(body: Body, asset: Asset, nowMs: number): NewRecurrence | undefined | Refused {
  const { recurrence, on_renew: how = 'replace', rollover } = body;
  const flaw = flawOf(body);
  if (flaw) return refuseFields([flaw]);
  if (!recurrence) return undefined;
  const zone = readTimeZone(recurrence.time_zone);
  if (zone.status === 'refused') return refuseFields([{ path: 'recurrence.time_zone', message: zone.message }]);
  const most = rollover?.maximum === undefined ? undefined : readAmount(rollover.maximum, asset, 'rollover.maximum');
  if (most !== undefined && typeof most !== 'bigint') return most;
  const startsAtMs = body.effective_at ?? nowMs;
  return {
    each: recurrence.each,
    timeZone: zone.timeZone,
    anchorMs: recurrence.anchor ?? startsAtMs,
    onRenew: how,
    rolloverParts: rollover && partsOf(rollover.fraction),
    rolloverMost: most,
    rolloverPeriods: rollover?.periods,
    startsAtMs,
  };
}

function flawOf({ recurrence, on_renew: how, rollover, expires_at: end }: Body) {
  if (!recurrence && how) return { path: 'on_renew', message: 'is for grants with a recurrence' };
  if (!recurrence && rollover) return { path: 'rollover', message: 'is for grants with a recurrence' };
  if (recurrence && end !== undefined)
    return { path: 'expires_at', message: 'is what on_renew says of a recurring grant' };
  if (how === 'rollover' && !rollover) return { path: 'rollover', message: 'must say how much is rolled over' };
  if (rollover && how !== 'rollover') return { path: 'rollover', message: 'is for on_renew "rollover"' };
  if (rollover && partsOf(rollover.fraction) === 0) return { path: 'rollover.fraction', message: 'must be above 0' };
  return undefined;
}

function partsOf(text: string): number {
  const read = readDecimal(text, partsDecimals);
  return read.status === 'ok' ? Number(read.value) : Number(BigInt(10) ** BigInt(partsDecimals));
}

export function showRecurrence(of: InstanceOf, asset: Asset): GrantRecurrence {
  const { rolloverParts: parts, rolloverMost: most, rolloverPeriods: periods } = of;
  return {
    id: of.id,
    instance: of.instance,
    each: of.each,
    time_zone: of.timeZone,
    anchor: formatTime(of.anchorMs),
    on_renew: of.onRenew,
    ...(parts !== undefined && {
      rollover: {
        fraction: writeDecimal(BigInt(parts), partsDecimals),
        maximum: most === undefined ? null : format(most, asset),
        periods: periods ?? null,
      },
    }),
    canceled_at: formatTimeOrNull(of.canceledAtMs),
  };
}
