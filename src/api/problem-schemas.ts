// Problems as schemas, for the OpenAPI document: the common one, and the two that say more.
import { z } from '@hono/zod-openapi';
import { errorCodes } from '../errors.ts';
import { amountOut } from './schemas.ts';
import { declineMembers } from './spend.ts';

const members = {
  type: z.string().openapi({ format: 'uri-reference', example: '/docs/errors#customer_not_found' }),
  title: z.string(),
  detail: z.string(),
  code: z.enum(errorCodes).openapi({ description: 'What to switch on.' }),
  retryable: z.boolean().openapi({ description: 'Whether the same request may succeed later.' }),
  outcome: z.enum(['applied', 'not_applied', 'unknown']).openapi({
    description: 'Whether what was asked for has happened. `unknown`: repeat it with the same Idempotency-Key.',
  }),
  request_id: z.string(),
  idempotency_key: z.string().optional().openapi({ description: 'With `outcome: "unknown"`: the key to retry with.' }),
};

export const problemReply = z
  .object({
    ...members,
    status: z.int().openapi({ description: 'The HTTP status.' }),
    errors: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .openapi({
        description:
          'With `invalid_request`: the first hundred fields that are missing, unknown, of the wrong type or out of range.',
      }),
  })
  .openapi('Problem', { description: 'RFC 9457.' });

export const declinedReply = z
  .object({
    ...members,
    status: z.literal('declined'),
    code: z.enum(['insufficient_balance', 'budget_exceeded', 'wallet_in_overage']),
    ...declineMembers,
  })
  .openapi('Declined', {
    description: 'A "no", as a problem; its `status` is the word, so that it tells all answers apart.',
  });

export const holdClosedReply = problemReply
  .extend({
    code: z.literal('hold_closed'),
    hold_status: z.enum(['settled', 'released', 'expired']),
    settled: amountOut,
    released: amountOut,
  })
  .openapi('HoldClosed');
