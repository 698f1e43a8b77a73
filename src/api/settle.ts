// POST /v1/holds/{hold_id}/settle: record what the work cost, and give the rest back.
import { z } from '@hono/zod-openapi';
import { codes } from '../codes.gen.ts';
import type { Settled } from '../contract.ts';
import type { Asset } from '../records.ts';
import { zeroAtoms } from '../units.ts';
import type { Operation } from '../wallet/operation.ts';
import type { Target } from '../wallet/target.ts';
import { format } from './amount.ts';
import { refuse, type Refused } from './answer.ts';
import { pricedLines, readAsked } from './ask-spend.ts';
import { readTold, refuseLine } from './asked.ts';
import { attachedOf } from './attached.ts';
import { checkCosts } from './costs.ts';
import { assetOfHold, noHold, refuseClosed } from './hold-of.ts';
import { askFresh } from './fresh.ts';
import { operationFor } from './idempotency.ts';
import { settledLegs, showSettledLegs } from './legs.ts';
import { defineRoute, type Api, type Call } from './route.ts';
import { amount, amountOut, costs, durability, metadata } from './schemas.ts';
import { eventFields, seemingSpend } from './spend.ts';
import { refuseTrouble } from './trouble.ts';

const terms = {
  costs: costs.optional().openapi({ description: 'What the operator pays for the same work; kept with the entry.' }),
  final: z.boolean().default(true).openapi({ description: 'The hold ends, and what is left of it returns.' }),
  on_excess: z.enum(['charge', 'cap', 'reject']).default('charge').openapi({
    description:
      'More than is held, in each asset for itself: taken from what is available and then owed (`charge`), cut off (`cap`), or refused with `exceeds_hold`.',
  }),
  metadata: metadata.optional(),
};
const moneyBody = z.strictObject({
  amount: amount.openapi({ description: 'This part; parts settled before come on top.' }),
  ...terms,
});
const eventBody = z.strictObject({ ...eventFields, ...terms });
export const settleBody = z.union([moneyBody, eventBody]).openapi('SettleRequest');
type Body = z.output<typeof settleBody>;

export const settledReply = z
  .object({
    id: z.string(),
    status: z.enum(['settled', 'open']).openapi({ description: '`open` after `final: false`.' }),
    settled: amountOut.openapi({ description: "The hold's total so far." }),
    released: amountOut.openapi({ description: 'What came back.' }),
    overage: amountOut.openapi({ description: 'What the account owes now.' }),
    late: z.boolean().openapi({ description: 'The hold had expired; recorded all the same, once.' }),
    asset: z.string(),
    lines: pricedLines,
    available: amountOut,
    held: amountOut,
    legs: settledLegs,
    version: z.int(),
    durability,
  })
  .openapi('Settled');

export const settle = defineRoute({
  summary: 'Settle a hold at its true cost',
  description:
    'Once with `final`, or in parts. A hold that has expired is settled late, once. An event is priced as it is now, and may cost in assets that the hold is not in.',
  body: settleBody,
  reply: { status: 200, description: 'Settled.', schema: settledReply },
  errors: [
    'hold_not_found',
    'hold_closed',
    'exceeds_hold',
    'balance_limit',
    'amount_too_large',
    'unknown_asset',
    'no_price',
    'missing_quantity',
  ],
  bodySeeming: seemingSpend(moneyBody, eventBody),
  handle: async (api, call) => {
    const { environmentId, params, body } = call;
    const found = await assetOfHold(api, call);
    if (found.status === 'refused') return found;
    const { asset } = found;
    const refused = body.costs && (await checkCosts(api, environmentId, body.costs));
    if (refused) return refused;
    const reply = await askSettle(api, call, found);
    switch (reply.status) {
      case 'refused':
        return reply;
      case 'settled': {
        const { lines } = readTold(reply.told);
        const settled: Settled = {
          id: params.hold_id,
          status: reply.open ? 'open' : 'settled',
          settled: format(reply.settled, asset),
          released: format(reply.released, asset),
          overage: format(reply.overage, asset),
          late: reply.late,
          asset: asset.code,
          ...(lines && { lines }),
          available: format(reply.available, asset),
          held: format(reply.held, asset),
          ...(reply.legs && { legs: await showSettledLegs(api, environmentId, reply.legs) }),
          version: reply.version,
        };
        return { status: 200, body: settled, replayed: reply.replayed, unconfirmed: reply.unconfirmed };
      }
      case 'exceeds_hold': {
        const short = reply.asset === asset.number ? asset : await api.assets.byNumber(environmentId, reply.asset);
        if (!short)
          throw new Error(`an event costs in asset ${reply.asset}, which is not among those of its environment`);
        const held = `${format(reply.held, short)} ${short.code}`;
        return refuse('exceeds_hold', `this costs more than the ${held} still held`);
      }
      case 'too_many_assets':
        return refuse('amount_too_large', `a hold is in ${codes.limit.hold_legs} assets at most`);
      case 'closed':
        return refuseClosed(reply, asset);
      case 'no_hold':
      case 'no_customer':
        return noHold;
      case 'balance_limit':
        return refuse('balance_limit', 'what the account owes, or what the hold took in all, would be too large');
      case 'conflict':
      case 'unavailable':
      case 'unknown':
        return refuseTrouble(reply, call);
    }
  },
});

type Settling = Awaited<ReturnType<Api['wallets']['settle']>>;
type SettleOutcome = Exclude<Settling, { status: 'unpriced' | 'too_large' }>;

/** What it says, or what the event costs by what Redis has by now. */
async function askSettle(api: Api, call: Call<Body>, { asset, target }: { asset: Asset; target: Target }) {
  const { environmentId, params, body } = call;
  const spend = 'event_type' in body ? body : { asset: asset.code, amount: body.amount };
  let operation: Operation | undefined;
  return askFresh<SettleOutcome | Refused>(api, target, async ({ config, redisMs }) => {
    const asked = await readAsked(api, environmentId, spend, config, 'exact');
    if (asked.status === 'refused') return asked;
    operation ??= operationFor(api, call);
    const { catalogVersion } = asked;
    const { final, on_excess: onExcess } = body;
    const holdId = params.hold_id;
    const attached = attachedOf(body);
    if (asked.status === 'unpriced') {
      const request = { environmentId, holdId, operation, attached, final, catalogVersion, config, redisMs };
      const reply = await api.wallets.settle({ ...request, ...nothingDue });
      if (reply.status === 'too_large') throw new Error('what nothing prices costs too much');
      return reply.status === 'unpriced' ? asked.refused : reply;
    }
    const dues = [{ asset: asked.asset.number, amount: asked.amount }, ...asked.legs];
    const { parts, fallbacks, told, sentLines: lines } = asked;
    const reply = await api.wallets.settle({
      environmentId,
      holdId,
      amount: dues.find((due) => due.asset === asset.number)?.amount ?? zeroAtoms,
      dues: dues.filter((due) => due.asset !== asset.number),
      parts,
      fallbacks,
      final,
      onExcess,
      operation,
      attached,
      catalogVersion,
      config,
      redisMs,
      told,
      lines,
    });
    if (reply.status === 'too_large') return refuseLine(asked, reply);
    if (reply.status === 'unpriced') throw new Error('what was priced was settled as if nothing priced it');
    return reply;
  });
}

/** Where nothing prices the event: the script looks for a first answer, and whether Redis has other prices. */
const nothingDue = { onExcess: 'unpriced', amount: zeroAtoms, dues: [], parts: [], fallbacks: [], told: '' } as const;
