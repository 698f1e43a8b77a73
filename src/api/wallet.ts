// A customer's wallet: what can be spent now; freezing it, and lifting that.
import { z } from '@hono/zod-openapi';
import type { Account, GrantScope, Wallet } from '../contract.ts';
import { zeroAtoms } from '../units.ts';
import { format } from './amount.ts';
import { refuse, type Answer, type Refused } from './answer.ts';
import type { LiveWallet } from '../wallet/read-wallet.ts';
import { grantScope, showScope } from './grant-scope.ts';
import { operationFor } from './idempotency.ts';
import { defineRoute, type Api, type Call } from './route.ts';
import { amountOut, durability, emptyBody, timeOut } from './schemas.ts';
import { formatTime, formatTimeOrNull } from './time.ts';
import { refuseTrouble } from './trouble.ts';

export const walletReply = z
  .object({
    customer_id: z.string(),
    status: z.enum(['active', 'frozen']),
    freeze_reason: z
      .enum(['operator', 'reconcile', 'quarantine', 'dispute'])
      .nullable()
      .openapi({ description: 'The API lifts `operator` only.' }),
    version: z.int().openapi({ description: 'Counts the entries; 0 for a new customer.' }),
    as_of: timeOut,
    accounts: z
      .array(
        z.object({
          asset: z.string(),
          available: amountOut.openapi({
            description: 'What a new hold could take now, as far as scopes of grants let it.',
          }),
          scoped: amountOut.optional().openapi({
            description: 'How much of `available` is in grants with a `scope`; absent where nothing is.',
          }),
          held: amountOut,
          overage: amountOut.openapi({ description: 'What the account owes.' }),
          grants: z
            .array(
              z.object({
                id: z.string(),
                purpose: z.enum(['promotional', 'bundled', 'paid']),
                priority: z.int(),
                remaining: amountOut,
                held: amountOut,
                expires_at: timeOut.nullable(),
                scope: grantScope.optional().openapi({ description: 'Absent: it may be spent on anything.' }),
              }),
            )
            .openapi({ description: 'The active ones with something left or held, in the order they are spent.' }),
        }),
      )
      .openapi({ description: 'One for each asset that ever had credit.' }),
  })
  .openapi('Wallet');

const reply = (description: string) => ({ status: 200, description, schema: walletReply }) as const;
const changedReply = walletReply.extend({ durability }).openapi('ChangedWallet');

export const getWallet = defineRoute({
  summary: "Get a customer's wallet",
  reply: reply('As it is now.'),
  errors: ['customer_not_found'],
  handle: async (api, call) => {
    const read = await readWallet(api, call);
    return read.status === 'refused' ? read : { status: 200, body: read.shown };
  },
});

export const freezeWallet = defineRoute({
  summary: 'Freeze a wallet',
  description: 'It approves nothing from then on; settles and releases go on. Freezing a frozen one changes nothing.',
  body: emptyBody,
  reply: { status: 200, description: 'Frozen.', schema: changedReply },
  errors: ['customer_not_found'],
  handle: (api, call) => setFreeze(api, call, true),
});

export const unfreezeWallet = defineRoute({
  summary: "Lift an operator's freeze",
  body: emptyBody,
  reply: { status: 200, description: 'Active again.', schema: changedReply },
  errors: ['customer_not_found', 'not_frozen_by_operator'],
  handle: (api, call) => setFreeze(api, call, false),
});

// The wallet goes on living, so the reply is kept for a repeat. Without the ledger a repeat shows the wallet as it is by then:
// that a wallet can be frozen matters more.
async function setFreeze(api: Api, call: Call, frozen: boolean): Promise<Answer> {
  const { environmentId, params, isKeyOwn } = call;
  const operation = operationFor(api, call);
  if (!isKeyOwn) {
    const known = await orUnavailable(api, api.ledger.findReply(environmentId, operation.id, operation.fingerprint));
    if (known?.status === 'found') return { status: 200, text: known.reply, replayed: true };
    if (known?.status === 'conflict') return refuseTrouble(known, call);
  }
  const changed = await api.wallets.setFreeze({
    environmentId,
    customerId: params.customer_id,
    frozen,
    operation,
    attached: '',
  });
  switch (changed.status) {
    case 'unchanged':
      if (!frozen) return refuse('not_frozen_by_operator', whyNot(changed.freeze));
      break;
    case 'changed':
      break;
    case 'no_customer':
    case 'conflict':
    case 'unavailable':
    case 'unknown':
      return refuseTrouble(changed, call);
  }
  const read = await readWallet(api, call);
  if (read.status === 'refused') return { ...read, outcome: 'applied' };
  const text = JSON.stringify(read.shown);
  const isReplayed = changed.status === 'changed' && changed.replayed === true;
  const { unconfirmed } = changed;
  // Not kept where no replica has the freeze: a repeat waits for one again.
  if (isKeyOwn || unconfirmed) return { status: 200, text, replayed: isReplayed, unconfirmed };
  const remembering = api.ledger.rememberReply(environmentId, operation.id, operation.fingerprint, text);
  return { status: 200, text: (await orUnavailable(api, remembering)) ?? text, replayed: isReplayed };
}

/** What a promise gives, or undefined when it fails because a store can't be reached. */
async function orUnavailable<T>(api: Api, promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (!api.isUnavailable(error)) throw error;
    return undefined;
  }
}

async function readWallet(api: Api, call: Call): Promise<{ status: 'read'; shown: Wallet } | Refused> {
  const { environmentId, params } = call;
  const read = await api.wallets.readWallet({ environmentId, customerId: params.customer_id });
  if (read.status !== 'wallet') return refuseTrouble(read, call);
  return { status: 'read', shown: await show(api, call, read.wallet) };
}

async function show(api: Api, { environmentId, params }: Call, wallet: LiveWallet): Promise<Wallet> {
  const walletId = api.wallets.walletIdOf(environmentId, params.customer_id);
  const accounts = wallet.accounts.map(async (account): Promise<Account> => {
    const asset = await api.assets.byNumber(environmentId, account.asset);
    if (!asset) throw new Error(`a wallet has asset ${account.asset}, which is not among those of its environment`);
    return {
      asset: asset.code,
      available: format(account.available, asset),
      ...(account.scoped > zeroAtoms && { scoped: format(account.scoped, asset) }),
      held: format(account.held, asset),
      overage: format(account.overage, asset),
      grants: account.grants
        .filter(({ state, remaining, held }) => state === 'active' && (remaining > zeroAtoms || held > zeroAtoms))
        .map((grant) => ({
          id: api.wallets.grantIdOf(walletId, grant.no),
          purpose: grant.purpose,
          priority: grant.priority,
          remaining: format(grant.remaining, asset),
          held: format(grant.held, asset),
          expires_at: formatTimeOrNull(grant.expiresAtMs),
          ...scopeOf(wallet, grant),
        })),
    };
  });
  return {
    customer_id: params.customer_id,
    status: wallet.freeze === 'none' ? 'active' : 'frozen',
    freeze_reason: wallet.freeze === 'none' ? null : wallet.freeze,
    version: wallet.version,
    as_of: formatTime(wallet.asOfMs),
    accounts: await Promise.all(accounts),
  };
}

function scopeOf({ scopes }: LiveWallet, { scope: number }: { scope: number }): { scope?: GrantScope } {
  const scope = showScope(scopes.find(({ no }) => no === number));
  return scope ? { scope } : {};
}

function whyNot(freeze: LiveWallet['freeze']): string {
  return freeze === 'none'
    ? 'the wallet is not frozen'
    : `the wallet was frozen by the system (${freeze}), not by an operator`;
}
