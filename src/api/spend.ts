// What authorize and charge have in common: the request, and the answers no and maybe.
import { z } from '@hono/zod-openapi';
import type { Decline, DeclineCode, HeldLeg, LimitSource } from '../contract.ts';
import type { ErrorCode } from '../errors.ts';
import type { Asset, WalletConfig } from '../records.ts';
import type { Atoms } from '../units.ts';
import { format } from './amount.ts';
import { refuse, type Answer, type Refused } from './answer.ts';
import type { Declined, ReasonName, Shadow } from '../wallet/decision.ts';
import { heldLegs } from './legs.ts';
import { eventType } from './price-schema.ts';
import { amount, amountOut, assetCode, customerId, labels, metadata, subject } from './schemas.ts';

/** What is asked for, said outright. */
export const moneyFields = { asset: assetCode, amount };

/** What happened, or is about to: the catalog says what it costs. */
export const eventFields = {
  event_type: eventType,
  data: z.looseObject({}).openapi({
    description: 'What prices count and tell apart: numbers, texts, booleans.',
    example: { model: 'gpt-5', input_tokens: 1200, output_tokens: 4096 },
  }),
};

export const spendFields = {
  customer_id: customerId,
  mode: z.enum(['strict', 'up_to', 'shadow']).default('strict').openapi({
    description:
      '`strict`: all or nothing. `up_to`: as much as is affordable. `shadow`: decide and report, move and store nothing.',
  }),
  subject: subject.optional(),
  labels: labels.optional(),
  metadata: metadata.optional(),
};

/** Of authorize, charge and extend: every way to say no. */
export const declineErrors = [
  'insufficient_balance',
  'budget_exceeded',
  'wallet_in_overage',
  'wallet_frozen',
  'too_many_holds',
  'unknown_asset',
  'amount_too_large',
] as const satisfies ErrorCode[];

export const limitSource = z.enum(['balance', 'held_in_flight', 'overage', 'budget']).openapi({
  description: '`held_in_flight`: once open holds return, the balance would do.',
});

/** Beside a problem's own members, in a 402. */
export const declineMembers = {
  asset: z.string(),
  requested: amountOut,
  available: amountOut,
  held: amountOut,
  affordable: amountOut.openapi({ description: 'The largest amount that would be approved now.' }),
  shortfall: amountOut.openapi({ description: '`requested` − `affordable`.' }),
  limit_source: limitSource,
  budget_id: z
    .string()
    .optional()
    .openapi({ description: 'With `limit_source: "budget"`: the tightest that refuses.' }),
};

const shadowMembers = { customer_id: z.string(), version: z.int() };

export const shadowApprovedReply = z
  .object({
    status: z.literal('shadow_approved'),
    ...shadowMembers,
    asset: z.string(),
    requested: amountOut,
    amount: amountOut.openapi({ description: 'What would be held or charged.' }),
    available: amountOut,
    held: amountOut,
    legs: heldLegs,
  })
  .openapi('ShadowApproved');

export const shadowDeclinedReply = z
  .object({
    status: z.literal('shadow_declined'),
    ...shadowMembers,
    ...declineMembers,
    code: z.enum(['insufficient_balance', 'budget_exceeded', 'wallet_in_overage', 'wallet_frozen', 'too_many_holds']),
    limit_source: limitSource.optional().openapi({ description: 'Absent where no amount of money would help.' }),
  })
  .openapi('ShadowDeclined');

/** Of both ways to say what is spent, the one that a body seems to be: whatever has a field of one is refused by the other. */
export function seemingSpend<Money, Event>(
  money: z.ZodType<Money>,
  event: z.ZodType<Event>,
): (given: unknown) => z.ZodType<Money | Event> | undefined {
  return (given) => {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) return undefined;
    return Object.hasOwn(given, 'event_type') || Object.hasOwn(given, 'data') ? event : money;
  };
}

/** What a "no" is about. */
type Asked = {
  asset: Pick<Asset, 'code' | 'scale'>;
  amount: Atoms;
  /** The amount as replies write it. */
  requested: string;
};

/** 402; 403 and 429 where money would not help. `config` is the wallet's: it names the budget that refuses. */
export function refuseDeclined(declined: Declined, asked: Asked, config: WalletConfig): Refused {
  const refused = refuseFor(declined, asked, config);
  // A "no" is remembered only where it answered a repeat after an unknown outcome.
  return declined.replayed ? { ...refused, headers: { 'idempotent-replayed': 'true' } } : refused;
}

function refuseFor(declined: Declined, asked: Asked, config: WalletConfig): Refused {
  const decline = declineOf(declined, asked, config);
  const { available, affordable, requested, asset } = decline;
  const code = codeOf(declined.reason);
  const more = { ...decline, status: 'declined' };
  switch (declined.reason) {
    case 'frozen':
      return refuse(code, 'the wallet is frozen: it approves nothing until that is lifted');
    case 'too_many_holds':
      return refuse(code, 'the wallet has as many open holds as it may have', { retryAfterMs: retryHoldsMs });
    case 'overage':
      return refuse(code, `the account owes ${asset} and approves nothing until that is paid`, { more });
    case 'held_in_flight':
      // Holds return by themselves, so that the same request may succeed.
      return refuse(code, `${requested} ${asset} asked for, ${available} available while ${decline.held} is held`, {
        more,
        retryable: true,
      });
    case 'balance':
      return refuse(code, `${requested} ${asset} asked for, ${affordable} affordable`, { more });
    case 'budget':
      return refuse(code, `${requested} ${asset} asked for, ${affordable} left in the tightest budget`, { more });
  }
}

/** `legs`: of a yes in several assets. */
export function shadowAnswer(
  reply: Shadow,
  { customer_id, legs }: { customer_id: string; legs: HeldLeg[] | undefined },
  asked: Asked,
  config: WalletConfig,
): Answer {
  const { version } = reply;
  if (reply.status === 'shadow_declined') {
    const decline = { ...declineOf(reply, asked, config), code: codeOf(reply.reason) };
    return { status: 200, body: { status: reply.status, customer_id, ...decline, version } };
  }
  const { asset, requested } = asked;
  return {
    status: 200,
    body: {
      status: reply.status,
      customer_id,
      asset: asset.code,
      requested,
      amount: format(reply.amount, asset),
      available: format(reply.available, asset),
      held: format(reply.held, asset),
      ...(legs && { legs }),
      version,
    },
  };
}

/** A client that waits this long finds that some holds have ended, unless all of them are long. */
const retryHoldsMs = 1_000;

type DeclinedBalance = Pick<Declined, 'reason' | 'available' | 'held' | 'affordable' | 'budgetNo'>;

function declineOf(
  { reason, available, held, affordable, budgetNo }: DeclinedBalance,
  { asset, amount, requested }: Asked,
  { budgets }: WalletConfig,
): Omit<Decline, 'code' | 'limit_source'> & { limit_source?: LimitSource } {
  const budget = budgetNo === undefined ? undefined : budgets.find(({ no }) => no === budgetNo);
  return {
    asset: asset.code,
    requested,
    available: format(available, asset),
    held: format(held, asset),
    affordable: format(affordable, asset),
    shortfall: format(amount - affordable, asset),
    ...(reason !== 'frozen' && reason !== 'too_many_holds' && { limit_source: reason }),
    ...(budget && { budget_id: budget.id }),
  };
}

type NoCode = DeclineCode | 'wallet_frozen' | 'too_many_holds';

export function codeOf(reason: ReasonName): NoCode {
  switch (reason) {
    case 'balance':
    case 'held_in_flight':
      return 'insufficient_balance';
    case 'overage':
      return 'wallet_in_overage';
    case 'budget':
      return 'budget_exceeded';
    case 'frozen':
      return 'wallet_frozen';
    case 'too_many_holds':
      return 'too_many_holds';
  }
}
