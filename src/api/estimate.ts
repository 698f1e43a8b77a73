// POST /v1/estimate: what authorize would hold for an event, with no effect.
import { z } from '@hono/zod-openapi';
import type { Estimate } from '../contract.ts';
import { holdTtlMs } from '../limits.ts';
import { zeroAtoms } from '../units.ts';
import type { ToldLeg } from '../wallet/legs.ts';
import type { SpendRequest } from '../wallet/spend-request.ts';
import type { Stale } from '../wallet/stale.ts';
import type { Target, Trouble } from '../wallet/target.ts';
import { format } from './amount.ts';
import type { Refused } from './answer.ts';
import { pricedLines, readAsked, spenderOf } from './ask-spend.ts';
import { refuseLine, withReckoned, type Asked } from './asked.ts';
import { askFresh, type Fresh } from './fresh.ts';
import { defineRoute, type Api, type Call } from './route.ts';
import { amountOut, customerId } from './schemas.ts';
import { eventFields } from './spend.ts';
import { checkStanding } from './standing.ts';
import { refuseTrouble } from './trouble.ts';

export const estimateBody = z.strictObject({ customer_id: customerId, ...eventFields }).openapi('EstimateRequest');

export const estimateReply = z
  .object({
    customer_id: z.string(),
    asset: z.string(),
    amount: amountOut.openapi({ description: 'What authorize would hold.' }),
    lines: pricedLines.unwrap(),
    legs: z
      .array(z.object({ asset: z.string(), amount: amountOut }).openapi('EstimatedLeg'))
      .optional()
      .openapi({ description: 'Where there are several assets: one item for each, the first one too.' }),
  })
  .openapi('Estimate');

export const estimate = defineRoute({
  summary: 'Price an event, with no effect',
  description:
    'What authorize would hold now: of a volume price the most that any usage up to this can cost, after what was used before in its period. Says nothing of whether the wallet has it. Nothing is stored, so an `Idempotency-Key` changes nothing.',
  body: estimateBody,
  reply: { status: 200, description: 'Priced.', schema: estimateReply },
  errors: ['customer_not_found', 'no_price', 'missing_quantity', 'amount_too_large'],
  handle: async (api, call) => {
    const { environmentId, body } = call;
    const wallet = { ...api.wallets.walletOf(environmentId, body.customer_id), environmentId };
    const priced = await askFresh(api, wallet, async ({ config, redisMs }) => {
      const asked = await readAsked(api, environmentId, body, config, 'most');
      if (asked.status === 'refused') return asked;
      if (asked.status === 'asked' && (asked.sentLines.length > 0 || asked.fallbacks.length > 0)) {
        return reckon(api, call, wallet, asked, { config, redisMs });
      }
      const standing = await checkStanding(api, wallet, config, asked.catalogVersion);
      if (standing !== 'current') return standing;
      return asked.status === 'unpriced' ? asked.refused : asked;
    });
    switch (priced.status) {
      case 'refused':
        return priced;
      case 'asked': {
        const { asset, amount, legs, lines = [] } = priced;
        const others = await Promise.all(
          legs.map(async (leg) => {
            const found = await api.assets.byNumber(environmentId, leg.asset);
            if (!found)
              throw new Error(`a price is in asset ${leg.asset}, which is not among those of its environment`);
            return { asset: found.code, amount: format(leg.amount, found) };
          }),
        );
        const first = { asset: asset.code, amount: format(amount, asset) };
        const estimated: Estimate = {
          customer_id: body.customer_id,
          ...first,
          lines,
          ...(others.length > 0 && { legs: [first, ...others] }),
        };
        return { status: 200, body: estimated };
      }
      case 'no_customer':
      case 'conflict':
      case 'unavailable':
      case 'unknown':
        return refuseTrouble(priced, call);
    }
  },
});

/** What would be held in each asset, where lines fall back on others. */
function spreadOver(asked: Asked, legs: readonly ToldLeg[] | undefined): Asked {
  const [first, ...others] = legs ?? [];
  if (!first) return asked;
  const due = ({ asset, amount }: ToldLeg) => ({ asset, amount, num: zeroAtoms, den: zeroAtoms });
  return { ...asked, amount: first.amount, legs: others.map(due) };
}

/** What depends on usage before, or on what there is, is Redis's to say: a shadow of the hold is asked for. */
async function reckon(
  api: Api,
  { environmentId, body }: Call<z.output<typeof estimateBody>>,
  wallet: Target,
  asked: Asked,
  fresh: Fresh,
): Promise<Asked | Refused | Stale | Trouble> {
  const { asset, amount, legs, parts, fallbacks, sentLines, catalogVersion, told } = asked;
  // Nothing is stored under it.
  const operation = api.wallets.operationOf({
    ...{ environmentId, path: '', customerId: undefined, key: undefined, body: undefined },
  });
  const request: SpendRequest = {
    ...{ wallet, asset: asset.number, amount, legs, parts, fallbacks },
    ...{ ...fresh, catalogVersion, told, lines: sentLines, operation, attached: '', spender: spenderOf(body) },
    mode: 'shadow',
  };
  const reply = await api.wallets.authorize(request, holdTtlMs.default);
  switch (reply.status) {
    case 'shadow_approved':
    case 'shadow_declined':
      return spreadOver(withReckoned(asked, reply.reckoned), reply.legs);
    case 'too_large':
      return refuseLine(asked, reply);
    case 'stale':
    case 'no_customer':
    case 'conflict':
    case 'unavailable':
    case 'unknown':
      return reply;
    case 'approved':
    case 'declined':
    case 'unpriced':
      throw new Error(`a shadow was ${reply.status}`);
  }
}
