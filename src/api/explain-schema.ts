// What an explanation looks like on the wire.
import { z } from '@hono/zod-openapi';
import { grantScope } from './grant-scope.ts';
import { pricedLines } from './ask-spend.ts';
import { amountOut, timeOut } from './schemas.ts';
import { limitSource } from './spend.ts';

const freezeReason = z.enum(['operator', 'reconcile', 'quarantine', 'dispute']);
const priceName = { product_id: z.string(), price_version: z.int(), price_id: z.string() };

const difference = z
  .object({
    field: z.string(),
    wanted: z.string(),
    found: z.string().nullable().openapi({ description: 'Null: the request does not say it.' }),
  })
  .openapi('Difference');

export const explainedPrice = z
  .object({
    ...priceName,
    subscribed: z.boolean().openapi({ description: 'By a subscription, not because its product prices everybody.' }),
    asset: z.string(),
    quantity: z.string().nullable().openapi({ description: 'The field that it counts; null: events.' }),
    dimensions: z.record(z.string(), z.string()),
    status: z.enum(['matched', 'outranked', 'replaced', 'no_match']).openapi({
      description:
        '`matched`: it is a line. `outranked`: it fits, and another one that counts the same field fits more closely. ' +
        '`replaced`: of a default product that the customer has a subscription to. `no_match`: a dimension differs.',
    }),
    outranked_by: z.object(priceName).optional(),
    differs: difference.optional(),
  })
  .openapi('ExplainedPrice');

const explainedGrant = z
  .object({
    id: z.string(),
    purpose: z.enum(['promotional', 'bundled', 'paid']),
    priority: z.int(),
    remaining: amountOut.openapi({ description: 'Before the request.' }),
    taken: amountOut.openapi({ description: 'What is, or was, taken of it.' }),
    expires_at: timeOut.nullable(),
    scope: grantScope.nullable(),
    covers: z.boolean().openapi({ description: 'Whether its scope covers any of what is asked for.' }),
  })
  .openapi('ExplainedGrant');

export const explainedAccount = z
  .object({
    asset: z.string(),
    requested: amountOut.openapi({ description: 'Due in this asset.' }),
    available: amountOut,
    held: amountOut,
    overage: amountOut,
    grants: z.array(explainedGrant).openapi({ description: 'In the order of consumption.' }),
  })
  .openapi('ExplainedAccount', { description: 'Balances are those before the request.' });

const explainedBudget = z
  .object({
    id: z.string(),
    asset: z.string(),
    enforcement: z.enum(['hard', 'alert']),
    covers: z.boolean().openapi({ description: 'Whether it covers the request; counts are there if so.' }),
    differs: z.array(difference).optional(),
    limit: amountOut,
    spent: amountOut.optional(),
    held: amountOut.optional(),
    remaining: amountOut.optional(),
    refuses: z.boolean().optional().openapi({ description: 'It is hard, and has less left than is due in its asset.' }),
    resets_at: timeOut
      .nullable()
      .optional()
      .openapi({ description: 'When what it counts now counts no longer; null: never, or bit by bit.' }),
  })
  .openapi('ExplainedBudget', { description: 'Counts are those before the request.' });

const step = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('add_credit'), asset: z.string(), amount: amountOut }),
    z.object({ kind: z.literal('raise_budget'), budget_id: z.string(), limit: amountOut }),
    z.object({ kind: z.literal('unfreeze'), freeze_reason: freezeReason }),
    z.object({ kind: z.literal('ask_for'), asset: z.string(), amount: amountOut }),
    z.object({ kind: z.literal('await_holds') }),
    z.object({ kind: z.literal('wait_until'), at: timeOut }),
    z.object({ kind: z.literal('publish_price'), event_type: z.string() }),
    z.object({ kind: z.literal('send_field'), field: z.string() }),
  ])
  .openapi('RemedyStep', {
    description:
      '`raise_budget`: to this limit at least. `ask_for`: at most this much. `await_holds`: open holds that come back suffice. ' +
      '`wait_until`: the budgets that refuse reset then. `publish_price`: one for this event type that fits its fields.',
  });

const remedies = z
  .array(z.object({ steps: z.array(step) }).openapi('Remedy'))
  .openapi({ description: 'Each suffices by itself, with all of its steps; empty where it is approved.' });

export const explanationReply = z
  .object({
    customer_id: z.string(),
    status: z.enum(['approved', 'declined', 'unpriced']).openapi({
      description: '`unpriced`: no price, or one that cannot count; authorize refuses it with 422.',
    }),
    code: z
      .enum([
        'insufficient_balance',
        'budget_exceeded',
        'wallet_in_overage',
        'wallet_frozen',
        'too_many_holds',
        'no_price',
        'missing_quantity',
        'amount_too_large',
      ])
      .optional()
      .openapi({ description: 'Of what is not approved: as the refusal has it.' }),
    detail: z.string(),
    mode: z.enum(['strict', 'up_to']),
    as_of: timeOut,
    version: z.int().optional().openapi({ description: 'Of the wallet that is looked at.' }),
    asset: z.string().optional(),
    requested: amountOut.optional(),
    amount: amountOut.optional().openapi({ description: 'What would be held.' }),
    affordable: amountOut.optional(),
    shortfall: amountOut.optional(),
    limit_source: limitSource.optional().openapi({
      description: 'What binds: where it is declined, and where mode `up_to` would get less than is asked for.',
    }),
    budget_id: z.string().optional().openapi({ description: 'With `limit_source: "budget"`: the tightest one.' }),
    freeze_reason: freezeReason.optional(),
    lines: pricedLines,
    prices: z
      .array(explainedPrice)
      .optional()
      .openapi({ description: 'Every price of its type that may be the customer’s, those that matched first.' }),
    accounts: z.array(explainedAccount).openapi({ description: 'One for each asset in which something is due.' }),
    budgets: z.array(explainedBudget).openapi({ description: 'Those that cover the request first.' }),
    remedies,
  })
  .openapi('Explanation');
