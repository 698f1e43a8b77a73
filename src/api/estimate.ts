// POST /v1/estimate: what authorize would hold for an event, with no effect.
import { z } from '@hono/zod-openapi';
import type { Estimate } from '../contract.ts';
import { format } from './amount.ts';
import { pricedLines, readAsked } from './ask-spend.ts';
import { askFresh } from './fresh.ts';
import { defineRoute } from './route.ts';
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
    'What authorize would hold now: of a volume price the most that any usage up to this can cost. Says nothing of whether the wallet has it. Nothing is stored, so an `Idempotency-Key` changes nothing.',
  body: estimateBody,
  reply: { status: 200, description: 'Priced.', schema: estimateReply },
  errors: ['customer_not_found', 'no_price', 'missing_quantity', 'amount_too_large'],
  handle: async (api, call) => {
    const { environmentId, body } = call;
    const wallet = { ...api.wallets.walletOf(environmentId, body.customer_id), environmentId };
    const priced = await askFresh(api, wallet, async ({ config }) => {
      const asked = await readAsked(api, environmentId, body, config, 'most');
      if (asked.status === 'refused') return asked;
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
