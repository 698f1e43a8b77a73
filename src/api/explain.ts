// POST /v1/explain: why authorize would say what it would say now, and what would make it a yes.
import type { ExplainedPrice, Explanation, RemedyStep } from '../contract.ts';
import { explainMatch } from '../pricing/explain.ts';
import { matchPrices, type Match } from '../pricing/match.ts';
import type { WalletConfig } from '../records.ts';
import type { ExplainRequest } from '../wallet/explain.ts';
import type { Stale } from '../wallet/stale.ts';
import type { Trouble } from '../wallet/target.ts';
import type { Refused } from './answer.ts';
import { readAsked, spenderOf, type Reading } from './ask-spend.ts';
import { refuseLine, withReckoned } from './asked.ts';
import { attachedOf } from './attached.ts';
import { authorizeBody, seemingAuthorize } from './authorize.ts';
import { showExplained, showPrice } from './explain-reply.ts';
import { explanationReply } from './explain-schema.ts';
import { askFresh, type Fresh } from './fresh.ts';
import { defineRoute, type Api, type Call } from './route.ts';
import { checkStanding } from './standing.ts';
import { formatTime } from './time.ts';
import { refuseTrouble } from './trouble.ts';

type Body = (typeof authorizeBody)['_output'];

export const explain = defineRoute({
  summary: 'Explain what authorize would say',
  description:
    'The request is authorize’s. The same decision is taken, and nothing is set aside or stored, so an `Idempotency-Key` changes nothing; it has no repeats either. ' +
    'Which prices match and which nearly do, what would be taken of which grant, what is left in which budget, which limit binds, and what would make it approved. Mode `shadow` is explained as `strict`.',
  body: authorizeBody,
  reply: { status: 200, description: 'Explained.', schema: explanationReply },
  errors: ['customer_not_found', 'unknown_asset', 'amount_too_large'],
  bodySeeming: seemingAuthorize,
  handle: async (api, call) => {
    const { environmentId, body } = call;
    const wallet = { ...api.wallets.walletOf(environmentId, body.customer_id), environmentId };
    const answer = await askFresh(api, wallet, (fresh) => explainOnce(api, call, fresh));
    switch (answer.status) {
      case 'refused':
        return answer;
      case 'shown':
        return { status: 200, body: answer.explanation };
      case 'no_customer':
      case 'conflict':
      case 'unavailable':
      case 'unknown':
        return refuseTrouble(answer, call);
    }
  },
});

type Shown = { status: 'shown'; explanation: Explanation };

async function explainOnce(
  api: Api,
  { environmentId, body }: Call<Body>,
  { config, redisMs }: Fresh,
): Promise<Shown | Refused | Stale | Trouble> {
  const wallet = { ...api.wallets.walletOf(environmentId, body.customer_id), environmentId };
  const { asked, prices, remedy } = await readExplained(api, environmentId, body, config);
  const mode = body.mode === 'up_to' ? 'up_to' : 'strict';
  const { customer_id } = body;
  if (asked.status === 'refused') return asked;
  if (asked.status === 'unpriced') {
    const { code, detail } = asked.refused;
    const isUnpriced = code === 'no_price' || code === 'missing_quantity' || code === 'amount_too_large';
    if (!prices || !isUnpriced) return asked.refused;
    const standing = await checkStanding(api, wallet, config, asked.catalogVersion);
    if (standing !== 'current') return standing;
    const nothing = { accounts: [], budgets: [], remedies: remedy ? [{ steps: [remedy] }] : [] };
    const as_of = formatTime(redisMs);
    return {
      status: 'shown',
      explanation: { customer_id, status: 'unpriced', code, detail, mode, as_of, prices, ...nothing },
    };
  }
  const { asset, amount, legs, parts, fallbacks, sentLines: lines, catalogVersion, told } = asked;
  const operation = api.wallets.operationOf({
    ...{ environmentId, path: '', customerId: undefined, key: undefined, body: undefined },
  });
  const spender = spenderOf(body);
  const request: ExplainRequest = {
    ...{ wallet, asset: asset.number, amount, legs, parts, fallbacks, operation },
    ...{ config, redisMs, catalogVersion, told, lines, spender, attached: attachedOf(body) },
    mode,
  };
  const explained = await api.wallets.explain(request, body.ttl_ms);
  if (explained.status === 'too_large') return refuseLine(asked, explained);
  if (explained.status !== 'explained') return explained;
  const inAll = withReckoned(asked, explained.reckoned);
  const shown = await showExplained(api, { environmentId, wallet, asked: inAll, config, spender, explained });
  return { status: 'shown', explanation: { customer_id, mode, ...shown, ...(prices && { prices }) } };
}

/** Priced by one catalog, and explained by the same. */
async function readExplained(
  api: Api,
  environmentId: string,
  body: Body,
  config: WalletConfig,
): Promise<{ asked: Reading; prices?: ExplainedPrice[]; remedy?: RemedyStep | undefined }> {
  for (;;) {
    const before = await api.catalogs.of(environmentId);
    const asked = await readAsked(api, environmentId, body, config, 'most');
    if (!('event_type' in body)) return { asked };
    const catalog = await api.catalogs.of(environmentId);
    if (catalog !== before) continue;
    const { event_type: eventType, data } = body;
    const event = { eventType, data, subscriptions: config.subscriptions };
    const match = explainMatch(catalog.priced, event);
    const prices = match.status === 'explained' ? match.prices.map(showPrice) : [];
    return { asked, prices, remedy: remedyFor(matchPrices(catalog.priced, event), eventType) };
  }
}

function remedyFor(match: Match, event_type: string): RemedyStep | undefined {
  switch (match.status) {
    case 'no_price':
      return { kind: 'publish_price', event_type };
    case 'missing_quantity':
      return { kind: 'send_field', field: match.field };
    case 'matched':
    case 'unknown_version':
      return undefined;
  }
}
