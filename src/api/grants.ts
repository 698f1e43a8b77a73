// Grants: credit put into an account. Written to Postgres as an intent first, then applied in Redis, so it happens once.
//
// Reading merges two sources, in this order: rows of the ledger, then the live wallet. A grant that is in neither's
// present (not live, and not yet ended in the ledger) either ended so recently that the ledger is behind, or was never
// applied; once the ledger has the wallet's version, its row says which.
import { z } from '@hono/zod-openapi';
import type { VoidedGrant } from '../contract.ts';
import type { Asset, GrantRecord, WalletConfig } from '../records.ts';
import { zeroAtoms } from '../units.ts';
import { format, readAmount } from './amount.ts';
import { refuse, refuseFields, type Answer, type Refused } from './answer.ts';
import { unknownAsset } from './assets.ts';
import { refuseNewWork } from './backpressure.ts';
import { noCustomer } from './customers.ts';
import { grantAsApplied, grantAsItIs, grantAsVoided, grantReply, hasEnded, liveGrantsOf } from './grant-view.ts';
import { grantScope } from './grant-scope.ts';
import { operationFor } from './idempotency.ts';
import { badCursor, pageOf, pageQuery, pageSchema } from './paging.ts';
import { defineRoute, type Api, type Call } from './route.ts';
import {
  amount,
  amountOut,
  asJsonObject,
  assetCode,
  description,
  durability,
  emptyBody,
  metadata,
  timestamp,
} from './schemas.ts';
import { readRecurrence, recurrenceFields } from './recurrence.ts';
import { refuseTrouble } from './trouble.ts';
import type { Trouble } from '../wallet/target.ts';

const priority = { least: 0, most: 100, default: 50 } as const;

export const grantBody = z
  .strictObject({
    asset: assetCode,
    amount: amount.openapi({ description: 'More than zero.' }),
    purpose: z.enum(['promotional', 'bundled', 'paid']).default('promotional'),
    priority: z.int().min(priority.least).max(priority.most).default(priority.default).openapi({
      description: 'A lower one is spent first.',
    }),
    effective_at: timestamp.optional().openapi({ description: 'Absent: now.' }),
    expires_at: timestamp.optional().openapi({
      description: 'Exclusive: at this instant it can no longer be spent. Absent: never.',
    }),
    scope: grantScope.optional().openapi({ description: 'What it may pay for: all that is named. Absent: anything.' }),
    ...recurrenceFields,
    description: description.optional(),
    metadata: metadata.optional(),
  })
  .refine(
    ({ effective_at, expires_at }) =>
      effective_at === undefined || expires_at === undefined || effective_at < expires_at,
    { path: ['expires_at'], message: 'must be later than effective_at' },
  )
  .openapi('GrantRequest');

const createdGrantReply = grantReply.extend({ durability }).openapi('CreatedGrant');

export const voidedGrantReply = grantReply
  .extend({
    status: z.literal('voided'),
    voided: amountOut.openapi({ description: 'What was taken back now.' }),
    durability,
  })
  .openapi('VoidedGrant');

export const createGrant = defineRoute({
  summary: 'Grant credit',
  description: 'Overage is repaid first. The rest can be spent as soon as the reply is there. Remembered for ever.',
  body: grantBody,
  reply: { status: 201, description: 'The grant.', schema: createdGrantReply },
  errors: [
    'customer_not_found',
    'unknown_asset',
    'amount_too_large',
    'balance_limit',
    'too_many_grants',
    'too_many_scopes',
    'backpressure',
  ],
  handle: async (api, call) => {
    const { environmentId, params, body } = call;
    const asset = await api.assets.byCode(environmentId, body.asset);
    if (!asset) return unknownAsset('asset', body.asset);
    const atoms = readAmount(body.amount, asset, 'amount');
    if (typeof atoms !== 'bigint') return atoms;
    if (atoms === zeroAtoms) return refuseFields([{ path: 'amount', message: 'must be more than zero' }]);
    const recurrence = readRecurrence(body, asset, api.wallets.redisMs());
    if (recurrence && 'status' in recurrence) return recurrence;
    const { id: operationId, fingerprint } = operationFor(api, call);
    const hasBegun = () => api.ledger.hasCredit(environmentId, operationId);
    const refused = api.backpressure() && (await refuseNewWork(api, call, hasBegun));
    if (refused) return refused;
    // A repeat may come after the grant's end; only a first request must name a time to come.
    const startsInPast = recurrence && body.effective_at !== undefined && body.effective_at <= Date.now();
    if (startsInPast && !(await hasBegun())) {
      return refuseFields([{ path: 'effective_at', message: 'must be a time to come, of a recurring grant' }]);
    }
    const isPast = body.expires_at !== undefined && body.expires_at <= Date.now();
    if (isPast && !(await hasBegun())) {
      return refuseFields([{ path: 'expires_at', message: 'must be a time to come' }]);
    }
    const begun = await api.ledger.beginCredit(environmentId, {
      customerId: params.customer_id,
      operationId,
      fingerprint,
      asset: asset.number,
      amount: atoms,
      purpose: body.purpose,
      priority: body.priority,
      scope: body.scope,
      recurrence,
      effectiveAtMs: body.effective_at,
      expiresAtMs: body.expires_at,
      description: body.description,
      metadata: asJsonObject(body.metadata),
    });
    switch (begun.status) {
      case 'no_customer':
        return noCustomer;
      case 'conflict':
        return refuse('idempotency_conflict', 'the Idempotency-Key came with another body before');
      case 'too_many_scopes':
        return refuse(begun.status, 'grants of this customer name as many different scopes as they may');
      case 'begun':
        return applyCredit(api, call, begun, asset);
    }
  },
});

type Begun = Extract<Awaited<ReturnType<Api['ledger']['beginCredit']>>, { status: 'begun' }>;

async function applyCredit(api: Api, call: Call, { credit, unpushed }: Begun, asset: Asset): Promise<Answer> {
  const { environmentId } = call;
  const id = api.wallets.grantIdOf(credit.walletId, credit.grantNo);
  if (credit.applied) return { status: 201, body: grantAsApplied(id, credit, credit.applied, asset), replayed: true };
  // Who spends has to know what the grant is for by the time that it can be spent.
  const told = unpushed && (await tellConfig(api, { environmentId, ...credit }, unpushed));
  const reply = told ?? (await api.wallets.credit({ ...credit, environmentId }));
  switch (reply.status) {
    case 'granted':
      if (credit.recurrence) await askAhead(api, environmentId, credit.recurrence);
      return {
        status: 201,
        body: grantAsApplied(id, credit, reply.applied, asset),
        replayed: reply.replayed,
        unconfirmed: reply.unconfirmed,
      };
    case 'unknown':
      return refuseTrouble(reply, call);
    case 'balance_limit':
    case 'too_many_grants':
    case 'no_customer':
    case 'conflict':
    case 'unavailable':
      break;
  }
  // It was not applied, and the answer says so: then nothing may apply it later.
  if (!(await api.ledger.refuseCredit(environmentId, credit))) {
    return refuseTrouble({ status: 'unknown', detail: 'somebody else has begun to apply this grant' }, call);
  }
  switch (reply.status) {
    case 'balance_limit':
      return refuse('balance_limit', `the balance in ${asset.code} would be too large`);
    case 'too_many_grants':
      return refuse('too_many_grants', 'the wallet has as many active and scheduled grants as it may have');
    case 'no_customer':
    case 'conflict':
    case 'unavailable':
      return refuseTrouble(reply, call);
  }
}

/** The instances to come, so that they do though no worker runs by then. What fails here, a worker goes on with. */
async function askAhead(api: Api, environmentId: string, { id }: { id: string }): Promise<void> {
  try {
    const { begun } = await api.ledger.refillRecurrence({ environmentId, id }, api.wallets.redisMs());
    await Promise.all(begun.map((credit) => api.wallets.credit({ ...credit, environmentId })));
  } catch (error) {
    api.log.error({ error, id }, 'renewals of a grant were not asked for ahead');
  }
}

/** Renewals end with it: those that are to come are taken back, and a worker sees to what is left. */
async function cancelRenewals(api: Api, environmentId: string, id: string): Promise<void> {
  await api.ledger.cancelRecurrence(environmentId, id, api.wallets.redisMs());
}

async function voidInstances(api: Api, environmentId: string, id: string): Promise<void> {
  for (const instance of await api.ledger.listInstancesToEnd({ environmentId, id })) {
    const { customerId } = instance;
    const operation = api.wallets.operationOf({ environmentId, path: '', customerId, key: undefined, body: undefined });
    await api.wallets.voidGrant({ ...instance, operation, attached: '' });
  }
}

/** Undefined: the wallet in Redis has it. */
async function tellConfig(
  api: Api,
  { environmentId, customerId }: { environmentId: string; customerId: string },
  config: WalletConfig,
): Promise<Trouble | undefined> {
  const customer = { environmentId, customerId };
  const configured = await api.wallets.configure(customer, config);
  if (configured.status !== 'configured') return configured;
  // Without it the worker tells Redis once more.
  await api.ledger.noteConfigPushed(customer, configured.version).catch((error: unknown) => {
    api.log.error({ error, ...customer }, 'a configuration was not noted as told');
  });
  return undefined;
}

export const listGrants = defineRoute({
  summary: "List a customer's grants, ended ones too",
  query: pageQuery,
  reply: { status: 200, description: 'Newest first, with live numbers.', schema: pageSchema(grantReply) },
  errors: ['customer_not_found'],
  handle: async (api, call) => {
    const { environmentId, params, query } = call;
    const walletId = api.wallets.walletIdOf(environmentId, params.customer_id);
    const listed = await api.ledger.listGrants(environmentId, walletId, pageOf(query));
    if (listed === 'bad_cursor') return badCursor;
    const shown = await showGrants(api, call, listed.items);
    if ('status' in shown) return shown;
    return { status: 200, body: { data: shown, next_cursor: listed.nextCursor ?? null } };
  },
});

export const getGrant = defineRoute({
  summary: 'Get a grant',
  reply: { status: 200, description: 'The grant, with live numbers.', schema: grantReply },
  errors: ['customer_not_found', 'grant_not_found'],
  handle: async (api, call) => {
    const record = await findGrant(api, call);
    const shown = await showGrants(api, call, record ? [record] : []);
    if ('status' in shown) return shown;
    const [grant] = shown;
    return grant ? { status: 200, body: grant } : noGrant;
  },
});

export const voidGrant = defineRoute({
  summary: 'Void a grant',
  description:
    'Takes back what is neither spent nor held; what is held goes when it returns. A recurring grant renews no more.',
  body: emptyBody,
  reply: { status: 200, description: 'Voided.', schema: voidedGrantReply },
  errors: ['customer_not_found', 'grant_not_found', 'grant_ended'],
  handle: async (api, call) => {
    const { environmentId, params } = call;
    const found = await findApplied(api, call);
    if (found.status === 'refused') return found;
    const { record } = found;
    const asset = await assetOf(api, environmentId, record);
    const { recurrence } = record;
    if (recurrence && !hasEnded(record)) await cancelRenewals(api, environmentId, recurrence.id);
    const reply = await api.wallets.voidGrant({
      environmentId,
      customerId: params.customer_id,
      asset: record.asset,
      grantNo: record.grantNo,
      operation: operationFor(api, call),
      attached: '',
    });
    switch (reply.status) {
      case 'voided': {
        if (recurrence) await voidInstances(api, environmentId, recurrence.id);
        const grant = grantAsVoided(params.grant_id, record, reply.held, asset);
        const voided: VoidedGrant = { ...grant, status: 'voided', voided: format(reply.taken, asset) };
        return { status: 200, body: voided, replayed: reply.replayed, unconfirmed: reply.unconfirmed };
      }
      case 'ended':
      case 'no_grant':
        return refuse('grant_ended', 'the grant was spent, has expired, or was voided before');
      case 'no_customer':
      case 'conflict':
      case 'unavailable':
      case 'unknown':
        return refuseTrouble(reply, call);
    }
  },
});

export const cancelGrant = defineRoute({
  summary: 'End the renewals of a recurring grant',
  description: 'Instances to come are taken back; the one in force stays. Canceling again changes nothing.',
  body: emptyBody,
  reply: { status: 200, description: 'Canceled.', schema: grantReply },
  errors: ['customer_not_found', 'grant_not_found', 'grant_not_recurring'],
  handle: async (api, call) => {
    const { environmentId } = call;
    const record = await findGrant(api, call);
    if (!record) return noGrant;
    const { recurrence } = record;
    if (!recurrence) return refuse('grant_not_recurring', 'this grant does not renew');
    await cancelRenewals(api, environmentId, recurrence.id);
    await voidInstances(api, environmentId, recurrence.id);
    const shown = await showGrants(api, call, [(await findGrant(api, call)) ?? record]);
    if ('status' in shown) return shown;
    const [grant] = shown;
    return grant ? { status: 200, body: grant } : noGrant;
  },
});

const noGrant = refuse('grant_not_found', 'this customer has no such grant');
const behind = refuse('unavailable', 'the ledger is behind: it can not tell yet how a grant has ended');

/** The row of the grant that the path names, if it is this customer's. */
async function findGrant(api: Api, { environmentId, params }: Call): Promise<GrantRecord | undefined> {
  const named = api.wallets.parseGrantId(params.grant_id);
  if (!named || named.walletId !== api.wallets.walletIdOf(environmentId, params.customer_id)) return undefined;
  return api.ledger.findGrant(environmentId, named.walletId, named.grantNo);
}

/** The same, once it is sure that the grant was applied, with the instant from which it counts. */
async function findApplied(api: Api, call: Call): Promise<{ status: 'found'; record: GrantRecord } | Refused> {
  const { environmentId, params } = call;
  const customerId = params.customer_id;
  const record = await findGrant(api, call);
  if (record?.state !== undefined) return { status: 'found', record };
  const read = await api.wallets.readWallet({ environmentId, customerId });
  if (read.status !== 'wallet') return refuseTrouble(read, call);
  if (!record) return noGrant;
  const live = liveGrantsOf(read.wallet).get(record.grantNo);
  if (live) return { status: 'found', record: { ...record, effectiveAtMs: live.effectiveAtMs } };
  const { version } = read.wallet;
  if (!(await api.wallets.ledgerHas({ environmentId, customerId, version }))) return behind;
  const ended = await findGrant(api, call);
  return ended?.state === undefined ? noGrant : { status: 'found', record: ended };
}

/** Rows with live numbers. The rows were read before: a grant that is not live now has ended, or was never applied. */
async function showGrants(api: Api, call: Call, records: GrantRecord[]): Promise<object[] | Refused> {
  const { environmentId, params } = call;
  const customerId = params.customer_id;
  const read = await api.wallets.readWallet({ environmentId, customerId });
  if (read.status !== 'wallet') return refuseTrouble(read, call);
  const live = liveGrantsOf(read.wallet);
  const isOpen = (record: GrantRecord): boolean => !live.has(record.grantNo) && !hasEnded(record);
  if (records.some(isOpen)) {
    const { version } = read.wallet;
    if (!(await api.wallets.ledgerHas({ environmentId, customerId, version }))) return behind;
  }
  const settled = await Promise.all(
    records.map((record) =>
      isOpen(record) ? api.ledger.findGrant(environmentId, record.walletId, record.grantNo) : Promise.resolve(record),
    ),
  );
  const shown: Promise<object>[] = [];
  for (const record of settled) {
    // Still open: never applied, or only after the wallet was read.
    if (!record || isOpen(record)) continue;
    const id = api.wallets.grantIdOf(record.walletId, record.grantNo);
    shown.push(
      assetOf(api, environmentId, record).then((asset) => grantAsItIs(id, record, live.get(record.grantNo), asset)),
    );
  }
  return Promise.all(shown);
}

async function assetOf(api: Api, environmentId: string, { asset: number }: { asset: number }): Promise<Asset> {
  const asset = await api.assets.byNumber(environmentId, number);
  if (!asset) throw new Error(`the ledger knows asset ${number}, which is not among the assets of its environment`);
  return asset;
}
