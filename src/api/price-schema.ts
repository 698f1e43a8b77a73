// A price as the catalog takes it: its shape. What depends on assets, other fields and other prices is read-prices.ts's to say.
import { z } from '@hono/zod-openapi';
import { divisorMax, fallbacksMax, dimensionsMax, pricesMax, tiersMax } from '../limits.ts';
import { amount, assetCode } from './schemas.ts';

const namePattern = /^[A-Za-z0-9_][A-Za-z0-9_.:/-]*$/;
const nameMessage = 'must be letters, digits and _ . : / -, the first a letter, a digit or _';
const name = (lengthMax: number) => z.string().max(lengthMax).regex(namePattern, nameMessage);

/** What happened, in the caller's words. */
export const eventType = name(128).openapi({ example: 'chat.completion' });
/** A field of an event's `data`. */
export const field = name(64).openapi({ example: 'input_tokens' });
const priceId = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}$/, 'must be 1 to 128 letters, digits and _ . : / -')
  .openapi({ example: 'gpt5_in' });

const rate = z
  .string()
  .regex(/^(?=.{1,40}$)(0|[1-9][0-9]*)(\.[0-9]+)?$/, 'must be a decimal string such as "10" or "0.05"')
  .openapi('Rate', {
    description: "A decimal string in the asset's unit; up to six decimals more than the asset's scale.",
    example: '1.25',
  });
const divisor = z.int().min(1).max(divisorMax);
const quantity = z
  .union([z.number().min(0), z.string().max(40)], 'must be a number or a decimal string')
  .openapi('Quantity', {
    description: 'A number or a decimal string, at most 6 decimals, at most 10^12.',
    example: 1000,
  });
const tiersOver = z.enum(['event', 'hour', 'day', 'week', 'month']).openapi({
  description: 'Default `event`; else usage is counted per customer and price over that period.',
});

export const dimensionValue = z.union(
  [z.string().min(1).max(256), z.number(), z.boolean()],
  'must be 1 to 256 characters, a number, true or false',
);

const dimensions = z.record(field, dimensionValue).openapi({
  description: `Fields of \`data\` that must match, exactly or with \`"*"\` any value; at most ${dimensionsMax}.`,
  example: { model: 'gpt-5' },
});

const fallback = z
  .array(z.strictObject({ asset: assetCode, rate }))
  .openapi({ maxItems: fallbacksMax, description: 'What `asset` does not cover is due in these, in this order.' });

const tier = z
  .strictObject({
    up_to: quantity.nullable().openapi({ description: 'Inclusive; null in the last tier, and only there.' }),
    unit_amount: rate.optional(),
    per: divisor.optional().openapi({ description: 'Default 1.' }),
    flat_amount: amount.optional().openapi({ description: 'Due once usage enters the tier.' }),
  })
  .openapi('PriceTier');
const tiers = z.array(tier).openapi({ minItems: 1, maxItems: tiersMax });

const terms = {
  id: priceId,
  event_type: eventType,
  asset: assetCode,
  dimensions: dimensions.optional(),
  fallback: fallback.optional(),
};
const pricedField = field.optional().openapi({ description: 'How much; absent: 1 for each event.' });

const price = z
  .discriminatedUnion('model', [
    z.strictObject({
      ...terms,
      model: z.literal('unit'),
      quantity: pricedField,
      unit_amount: rate,
      per: divisor.optional().openapi({ description: 'Default 1.' }),
    }),
    z.strictObject({
      ...terms,
      model: z.literal('package'),
      quantity: pricedField,
      unit_amount: rate,
      package_size: divisor,
      tiers_over: tiersOver.optional(),
    }),
    z.strictObject({
      ...terms,
      model: z.enum(['graduated', 'volume']),
      quantity: pricedField,
      tiers,
      tiers_over: tiersOver.optional(),
    }),
    z.strictObject({
      ...terms,
      model: z.literal('percentage'),
      quantity: field,
      rate,
      fixed_amount: amount.optional(),
      minimum: amount.optional(),
      maximum: amount.optional(),
    }),
  ])
  .openapi('Price');

export const prices = z.array(price).openapi({ maxItems: pricesMax });
