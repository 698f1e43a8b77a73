// GET /v1/customers/{customer_id}/entries: the ledger, one entry for each version of the wallet.
import { z } from '@hono/zod-openapi';
import type { BudgetAlert, Entry, EntryKind, Leg } from '../contract.ts';
import type { EntryLeg, EntryRecord } from '../records.ts';
import { format } from './amount.ts';
import { unknownAsset } from './assets.ts';
import { pricedLines } from './ask-spend.ts';
import { readTold } from './asked.ts';
import { readAttached } from './attached.ts';
import { noCustomer } from './customers.ts';
import { badCursor, pageFields, pageOf, pageSchema } from './paging.ts';
import { defineRoute, type Api } from './route.ts';
import { amountOut, assetCode, metadataOut, timeOut, timestamp } from './schemas.ts';
import { formatTime } from './time.ts';

const kinds = [
  'grant',
  'schedule_grant',
  'activate_grant',
  'hold',
  'extend',
  'settle',
  'release',
  'expire_hold',
  'charge',
  'expire_grant',
  'void_grant',
  'freeze',
  'unfreeze',
  'budget_alert',
  'roll_over_grant',
  'refund',
] as const satisfies EntryKind[];

export const entriesQuery = z.strictObject({
  ...pageFields,
  asset: assetCode.optional(),
  kind: z.enum(kinds).optional(),
  from: timestamp.optional().openapi({ description: 'Inclusive.' }),
  to: timestamp.optional().openapi({ description: 'Exclusive.' }),
});

const signedAmount = amountOut.openapi({
  description: 'Signed: the change of `available + held − overage`.',
  example: '-0.3',
});

const legReply = z
  .object({
    asset: z.string(),
    amount: signedAmount,
    available_after: amountOut,
    held_after: amountOut,
    overage_after: amountOut,
  })
  .openapi('Leg');

const budgetAlert = z
  .object({
    id: z.string(),
    name: z.string().openapi({ description: 'As it is called now.' }),
    asset: z.string(),
    threshold: amountOut.openapi({ description: 'What spending has reached.' }),
    spent: amountOut.openapi({ description: 'In the period, by then.' }),
  })
  .openapi('BudgetAlert');

export const entryReply = z
  .object({
    id: z.string(),
    version: z.int(),
    kind: z.enum(kinds),
    asset: z.string().nullable().openapi({ description: 'Null, as the three balances: it is about no asset.' }),
    amount: signedAmount,
    available_after: amountOut.nullable(),
    held_after: amountOut.nullable(),
    overage_after: amountOut.nullable(),
    legs: z.array(legReply).optional().openapi({ description: 'Where several assets moved: one item for each.' }),
    hold_id: z.string().optional(),
    grant_id: z.string().optional(),
    recurrence: z
      .object({ id: z.string(), instance: z.int() })
      .optional()
      .openapi({ description: 'Where the grant is an instance of a recurring one.' }),
    event_id: z.string().optional(),
    event_type: z.string().optional(),
    data: metadataOut.optional(),
    event_occurred_at: timeOut
      .optional()
      .openapi({ description: 'When the event happened, where it was said to be past.' }),
    subject: z.string().optional(),
    labels: z.record(z.string(), z.string()).optional(),
    lines: pricedLines,
    metadata: metadataOut.optional(),
    costs: z.array(z.object({ vendor: z.string(), amount: z.string(), asset: z.string() })).optional(),
    late: z.boolean().optional(),
    budget: budgetAlert.optional().openapi({ description: 'Of a `budget_alert`: which budget, and what it tells of.' }),
    operation_id: z.string().openapi({ description: 'What fell due by itself is named by kind and version.' }),
    occurred_at: timeOut,
  })
  .openapi('Entry');

export const listEntries = defineRoute({
  summary: "List a customer's ledger entries",
  description: 'From Postgres: an entry appears within a second.',
  query: entriesQuery,
  reply: { status: 200, description: 'Newest first.', schema: pageSchema(entryReply) },
  errors: ['customer_not_found', 'unknown_asset'],
  handle: async (api, { environmentId, params, query }) => {
    const asset = query.asset === undefined ? undefined : await api.assets.byCode(environmentId, query.asset);
    if (query.asset !== undefined && !asset) return unknownAsset('asset', query.asset);
    const walletId = api.wallets.walletIdOf(environmentId, params.customer_id);
    const listed = await api.ledger.listEntries(
      environmentId,
      walletId,
      { asset: asset?.number, kind: query.kind, fromMs: query.from, toMs: query.to },
      pageOf(query),
    );
    if (listed === 'bad_cursor') return badCursor;
    const isEmpty = listed.items.length === 0;
    if (isEmpty && !(await api.ledger.findCustomer(environmentId, params.customer_id))) return noCustomer;
    const data = await Promise.all(listed.items.map((entry) => show(api, environmentId, entry)));
    return { status: 200, body: { data, next_cursor: listed.nextCursor ?? null } };
  },
});

async function show(api: Api, environmentId: string, entry: EntryRecord): Promise<Entry> {
  const legs = await Promise.all(entry.legs.map((leg) => showLeg(api, environmentId, leg)));
  const [first] = legs;
  const { walletId, version, holdRef, grantNo } = entry;
  const holdAsset = entry.legs[0]?.asset;
  const { lines } = readTold(entry.told);
  return {
    id: api.wallets.entryIdOf(walletId, version),
    version,
    kind: entry.kind,
    ...(first ?? { asset: null, amount: '0', available_after: null, held_after: null, overage_after: null }),
    ...(legs.length > 1 && { legs }),
    ...(holdRef !== undefined &&
      holdAsset !== undefined && { hold_id: api.wallets.holdIdOf(walletId, holdAsset, holdRef) }),
    ...(grantNo !== undefined && { grant_id: api.wallets.grantIdOf(walletId, grantNo) }),
    ...(entry.recurrence && { recurrence: entry.recurrence }),
    ...readAttached(entry.attached),
    ...(lines && { lines }),
    ...(entry.late && { late: true }),
    ...(entry.alert && { budget: await showAlert(api, environmentId, entry.alert) }),
    // What fell due by itself was nobody's operation: it is named by what and when.
    operation_id: entry.operationId || `${entry.kind}.${entry.version}`,
    occurred_at: formatTime(entry.occurredAtMs),
  };
}

async function showAlert(
  api: Api,
  environmentId: string,
  { budgetId: id, budgetName: name, asset, threshold, spent }: NonNullable<EntryRecord['alert']>,
): Promise<BudgetAlert> {
  const of = await api.assets.byNumber(environmentId, asset);
  if (!of) throw new Error(`an alert is in asset ${asset}, which is not among those of its environment`);
  return { id, name, asset: of.code, threshold: format(threshold, of), spent: format(spent, of) };
}

async function showLeg(api: Api, environmentId: string, leg: EntryLeg): Promise<Leg> {
  const asset = await api.assets.byNumber(environmentId, leg.asset);
  if (!asset) throw new Error(`an entry has asset ${leg.asset}, which is not among those of its environment`);
  return {
    asset: asset.code,
    amount: format(leg.amount, asset),
    available_after: format(leg.availableAfter, asset),
    held_after: format(leg.heldAfter, asset),
    overage_after: format(leg.overageAfter, asset),
  };
}
