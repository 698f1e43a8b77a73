// A budget as requests say it: whose spending, in which asset and period, how much, and when to tell of it.
import { z } from '@hono/zod-openapi';
import { alertShareMax, budgetAlertsMax, matchBytesMax, matchLabelsMax } from '../limits.ts';
import { readPeriod, rollingMs } from '../pricing/period.ts';
import { eventType } from './price-schema.ts';
import { amount, assetCode, labels, name, subject } from './schemas.ts';

const labelNameMax = 64;
const zoneLengthMax = 64;

const calendarPeriod = z
  .strictObject({
    unit: z.enum(['hour', 'day', 'week', 'month', 'lifetime']),
    time_zone: z
      .string()
      .max(zoneLengthMax)
      .optional()
      .openapi({ description: 'An IANA name; default UTC.', example: 'Europe/Berlin' }),
  })
  .superRefine((given, context) => {
    const read = readPeriod(given);
    if (read.status === 'refused') context.addIssue({ code: 'custom', path: [read.path], message: read.message });
  })
  .openapi('CalendarPeriod', { description: 'From its first instant in that zone; a week begins on Monday.' });

const rollingPeriod = z
  .strictObject({ rolling_ms: z.int().min(rollingMs.least).max(rollingMs.most) })
  .openapi('RollingPeriod', {
    description:
      'The last so many milliseconds. They are counted in 60 parts: what is up to 1/59 older may count, too.',
  });

export const period = z.union([calendarPeriod, rollingPeriod], 'must have a unit, or rolling_ms');

export const match = z
  .strictObject({
    subject: subject.optional(),
    labels: labels
      .refine((given) => Object.keys(given).length <= matchLabelsMax, `must be at most ${matchLabelsMax}`)
      .refine(
        (given) => Object.keys(given).every((of) => of.length >= 1 && of.length <= labelNameMax),
        `must have names of 1 to ${labelNameMax} characters`,
      )
      .optional(),
    event_type: eventType.optional(),
  })
  .refine(
    (given) => new TextEncoder().encode(JSON.stringify(given)).byteLength <= matchBytesMax,
    `must be at most ${matchBytesMax} bytes of JSON`,
  )
  .openapi('BudgetMatch', {
    description: 'Spending that carries all of this; nothing: the whole wallet’s.',
    example: { labels: { team: 'red' } },
  });

export const enforcement = z
  .enum(['hard', 'alert'])
  .openapi({ description: '`hard` refuses what does not fit in; `alert` only tells.' });

const share = z
  .string()
  .regex(/^(0|[1-9][0-9]*)(\.[0-9]{1,6})?$/, 'must be a decimal string such as "0.8"')
  .refine((text) => Number(text) > 0 && Number(text) <= alertShareMax, `must be above 0, and at most ${alertShareMax}`);

export const alertAt = z
  .array(share)
  .max(budgetAlertsMax)
  .superRefine((given, context) => {
    const numbers = given.map(Number);
    for (const [at, number] of numbers.entries()) {
      if (numbers.indexOf(number) < at) context.addIssue({ code: 'custom', path: [at], message: 'is there before' });
    }
  })
  .openapi({
    description:
      'Parts of the limit: an entry `budget_alert` tells of each that spending has reached, once in a period.',
    example: ['0.5', '0.8', '1'],
  });

const terms = { name, asset: assetCode, limit: amount, match, enforcement, alert_at: alertAt.optional() };

export const budgetBody = z.strictObject({ ...terms, period }).openapi('BudgetRequest');

const budgetBodies = {
  rolling: z.strictObject({ ...terms, period: rollingPeriod }),
  calendar: z.strictObject({ ...terms, period: calendarPeriod }),
};

/** By its period, which is of one kind or the other. */
export function seemingBudget(given: unknown): z.ZodType<z.output<typeof budgetBody>> | undefined {
  const period = (given as { period?: unknown } | null)?.period;
  if (typeof period !== 'object' || period === null) return undefined;
  return Object.hasOwn(period, 'rolling_ms') ? budgetBodies.rolling : budgetBodies.calendar;
}

export const budgetChanges = z
  .strictObject({
    name: name.optional(),
    limit: amount.optional(),
    match: match.optional(),
    enforcement: enforcement.optional(),
    alert_at: alertAt.optional(),
  })
  .openapi('BudgetChanges', {
    description:
      'What is absent stays; `match` and `alert_at` are replaced whole. Another asset or period is another budget: create one.',
  });
