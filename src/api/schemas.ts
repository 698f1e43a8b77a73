// The fields that several routes share: each checked by the schema that describes it in /openapi.json.
//
// An amount is checked here for its shape only: how many decimals it may have is known once its asset is (amount.ts).
import { z } from '@hono/zod-openapi';
import { holdTtlMs, metadataBytesMax } from '../limits.ts';
import type { JsonObject } from '../records.ts';
import { parseTime } from './time.ts';

/** Of names and of what labels call things: long enough for words, short enough for a line in a report. */
const nameLengthMax = 256;
const descriptionLengthMax = 1_024;
/** Stripe takes 5,000 characters; a browser's address line is happy with less. */
const urlLengthMax = 2_048;
/** What RFC 5321 §4.5.3.1.3 leaves of a path, less its brackets. */
const emailLengthMax = 254;
/** A vendor's line each; a call uses a handful. */
const costsMax = 32;

export const customerIdPattern = /^[A-Za-z0-9][A-Za-z0-9_.:@-]{0,127}$/;
export const assetCodePattern = /^[A-Z][A-Z0-9_]{0,31}$/;

export const customerId = z
  .string()
  .regex(customerIdPattern, 'must be 1 to 128 characters of A–Z a–z 0–9 _ . : @ -, the first a letter or digit')
  .openapi({ example: 'user_42' });

/** Which one it is, and whether it exists, says the look-up. */
export const assetCode = z.string().min(1).max(nameLengthMax).openapi({ example: 'USD' });

export const amount = z
  .string()
  .regex(/^(?=.{1,40}$)(0|[1-9][0-9]*)(\.[0-9]+)?$/, 'must be a decimal string such as "10" or "0.05"')
  .openapi('Amount', {
    description: "A decimal string in the asset's unit; no more decimals than the asset's scale.",
    example: '0.05',
  });

export const timestamp = z
  .string()
  .transform((text, context) => {
    const atMs = parseTime(text);
    if (atMs !== undefined) return atMs;
    context.addIssue({ code: 'custom', message: 'must be an RFC 3339 time such as 2026-11-21T02:00:00Z' });
    return z.NEVER;
  })
  .openapi({ type: 'string', format: 'date-time', example: '2026-11-21T02:00:00.000Z' });

export const name = z.string().min(1).max(nameLengthMax);
export const email = z
  .string()
  .max(emailLengthMax)
  .regex(/^[^\s@]+@[^\s@]+$/, 'must be an e-mail address');
/** Where a page of Stripe's leads to in the end. */
export const returnUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .max(urlLengthMax)
  .openapi({ example: 'https://shop.example/wallet' });
export const description = z.string().max(descriptionLengthMax);
export const subject = z.string().min(1).max(nameLengthMax).openapi({ example: 'agent:planner' });

// Objects with a catch-all, not records: those take twice as long to check. Their size is checked apart (validate.ts).
export const metadata = z
  .looseObject({})
  .openapi({ description: `The caller's own, at most ${metadataBytesMax} bytes of JSON; kept and given back.` });

export const labels = z
  .object({})
  .catchall(z.string().max(nameLengthMax))
  .openapi({ description: `At most ${metadataBytesMax} bytes of JSON.`, example: { team: 'red' } });

export const ttlMs = z.int().min(holdTtlMs.least).max(holdTtlMs.most);

export const costs = z.array(z.strictObject({ vendor: name, amount, asset: assetCode })).max(costsMax);

/** What a schema let through is JSON, since it came as JSON. */
export const asJsonObject = (value: Record<string, unknown> | undefined): JsonObject => (value ?? {}) as JsonObject;

/** In replies: what is written, not what would be read. */
export const amountOut = z.string().openapi({ description: "Decimal, in the asset's unit.", example: '9.95' });
export const timeOut = z.string().openapi({ format: 'date-time', example: '2026-11-21T02:00:00.000Z' });
/** Of replies to what moved something. */
export const durability = z
  .literal('unconfirmed')
  .optional()
  .openapi({
    description:
      'Only in durability class `replicated`: done, but no replica has confirmed it in time, so it is lost if Redis is lost now. ' +
      'Repeat with the same Idempotency-Key to ask again.',
  });
export const metadataOut = z.record(z.string(), z.unknown());

/** Of a POST that says everything with its path. */
export const emptyBody = z.strictObject({}).openapi({ description: 'Nothing: empty, or `{}`.' });
