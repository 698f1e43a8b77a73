// `farebox/sdk`: the client. No dependencies; runs wherever there is `fetch`: Node, Deno, Bun, Workers, browsers.
//
// ```ts
// const gateway = farebox({ baseUrl: 'http://127.0.0.1:3000', apiKey });
// const answer = await gateway.withHold({ customer_id: 'user_42', asset: 'USD', amount: '0.05' }, async (hold) => {
//   const reply = await callModel();
//   hold.spent(sum(price(reply.inputTokens, '1.25'), price(reply.outputTokens, '10')));
//   return reply;
// });
// if (answer.status === 'declined') console.log(`short of ${answer.shortfall} USD`);
// ```
//
// A decline is a value, told apart by `status`. Any other refusal, and no answer at all, is a thrown FareboxError.
// Every call has a deadline and at most one retry, which is safe: see send.ts.
import type {
  Approved,
  Asset,
  AssetRequest,
  AuthorizeReply,
  AuthorizeRequest,
  Budget,
  BudgetChanges,
  BudgetRequest,
  Charged,
  ChargeReply,
  ChangedWallet,
  ChargeRequest,
  CreatedGrant,
  CreatedKey,
  Customer,
  CustomerChanges,
  CustomerRequest,
  Declined,
  EntriesQuery,
  Estimate,
  EstimateRequest,
  EventsReply,
  EventsRequest,
  Entry,
  ExplainRequest,
  Explanation,
  ExtendRequest,
  Grant,
  GrantRequest,
  Hold,
  HoldExplanation,
  KeptEvent,
  KeptEventsQuery,
  Key,
  KeyRequest,
  Page,
  PageQuery,
  RateEventsReply,
  RateEventsRequest,
  Released,
  SettleRequest,
  Settled,
  ShadowApproved,
  ShadowDeclined,
  VoidedGrant,
  Wallet,
} from '../contract.ts';
import { type CallOptions, checkedTimeoutMs, type Connection, type Fetch, type Request, send } from './send.ts';
import {
  type HoldCalls,
  type HoldRequest,
  withHold,
  type WithHoldOptions,
  type Worked,
  type WorkingHold,
} from './with-hold.ts';

export type * from '../contract.ts';
export { each } from './each.ts';
export { FareboxError, type TransportCode, type Unsettled } from './farebox-error.ts';
export { price, sum } from './price.ts';
export type { CallOptions, Fetch, FetchReply } from './send.ts';
export { type ContextSize, type TokenCounts, tokenUsage, type TokenUsage } from './token-usage.ts';
export { usageFromAnthropic, usageFromGoogle, usageFromOpenAI } from './usage-from.ts';
export type { HoldRequest, Spent, WithHoldOptions, Worked, WorkingHold } from './with-hold.ts';

export type FareboxOptions = {
  /** Where the gateway is: `https://farebox.example.com`, perhaps with a path. */
  readonly baseUrl: string;
  /** `fb_test_…` or `fb_live_…`. */
  readonly apiKey: string;
  /** Default: the runtime's own. */
  readonly fetch?: Fetch | undefined;
  /** For each call that names none, from the call to its answer, the retry included; 1–600000, default 10000 ms. */
  readonly timeoutMs?: number | undefined;
};

type Shadow = { mode: 'shadow' };
type NotShadow = { mode?: 'strict' | 'up_to' | undefined };

/** An authorize or charge; in mode `shadow` it never moves anything and never answers as the others do. */
type Spend<Request, Reply extends { status: string }, Done extends Reply> = {
  (request: Request & NotShadow, call?: CallOptions): Promise<Done | Declined>;
  (request: Request & Shadow, call?: CallOptions): Promise<ShadowApproved | ShadowDeclined>;
  (request: Request, call?: CallOptions): Promise<Reply | Declined>;
};

export type Farebox = {
  /** Sets money aside before the work. */
  readonly authorize: Spend<AuthorizeRequest, AuthorizeReply, Approved>;
  /** Debits in one step, with no hold before it. */
  readonly charge: Spend<ChargeRequest, ChargeReply, Charged>;
  readonly events: {
    /** Prices and debits up to 100, each by itself: what became of each is in its result, also where it is a refusal. */
    readonly send: (request: EventsRequest, call?: CallOptions) => Promise<EventsReply>;
    /** Those that no price matched when they came. */
    readonly list: (query?: KeptEventsQuery, call?: CallOptions) => Promise<Page<KeptEvent>>;
    /** Once there is a price: the oldest unpriced ones, each charged once. */
    readonly rate: (request?: RateEventsRequest, call?: CallOptions) => Promise<RateEventsReply>;
  };
  /** What authorize would hold for an event, with no effect. */
  readonly estimate: (request: EstimateRequest, call?: CallOptions) => Promise<Estimate>;
  /** Why authorize would say what it would say, and what would make it a yes; nothing happens. */
  readonly explain: (request: ExplainRequest, call?: CallOptions) => Promise<Explanation>;
  /** Records what the work cost; `hold_closed` (409) when the hold had ended by settle or release. */
  readonly settle: (holdId: string, request: SettleRequest, call?: CallOptions) => Promise<Settled>;
  /** Gives back all that is still held. */
  readonly release: (holdId: string, call?: CallOptions) => Promise<Released>;
  /** More time, more money, or both. A decline leaves the hold as it was. */
  readonly extend: (holdId: string, request: ExtendRequest, call?: CallOptions) => Promise<Approved | Declined>;
  readonly hold: (holdId: string, call?: CallOptions) => Promise<Hold>;
  /** What authorize was asked and told when it opened this hold. */
  readonly explainHold: (holdId: string, call?: CallOptions) => Promise<HoldExplanation>;
  /**
   * Authorizes, works, and settles what the work said it spent, however it ended. A decline is returned and nothing is
   * worked; what the work throws is thrown again, after settling; a cost that could not be settled is thrown as a
   * FareboxError with `unsettled`. `options` but for its three own are those of the authorize call.
   */
  readonly withHold: <Result>(
    request: HoldRequest,
    work: (hold: WorkingHold) => Result | PromiseLike<Result>,
    options?: WithHoldOptions,
  ) => Promise<Worked<Result> | Declined>;
  /** The customer's ledger, newest first; an entry appears within a second. */
  readonly entries: (customerId: string, query?: EntriesQuery, call?: CallOptions) => Promise<Page<Entry>>;
  readonly customers: {
    readonly create: (request?: CustomerRequest, call?: CallOptions) => Promise<Customer>;
    readonly get: (customerId: string, call?: CallOptions) => Promise<Customer>;
    readonly update: (customerId: string, changes: CustomerChanges, call?: CallOptions) => Promise<Customer>;
    readonly list: (query?: PageQuery, call?: CallOptions) => Promise<Page<Customer>>;
  };
  readonly wallets: {
    readonly get: (customerId: string, call?: CallOptions) => Promise<Wallet>;
    /** A frozen wallet approves nothing; settles and releases go on. */
    readonly freeze: (customerId: string, call?: CallOptions) => Promise<ChangedWallet>;
    /** Lifts an operator's freeze; 409 otherwise. */
    readonly unfreeze: (customerId: string, call?: CallOptions) => Promise<ChangedWallet>;
  };
  readonly grants: {
    readonly create: (customerId: string, request: GrantRequest, call?: CallOptions) => Promise<CreatedGrant>;
    readonly get: (customerId: string, grantId: string, call?: CallOptions) => Promise<Grant>;
    /** Ended ones too. */
    readonly list: (customerId: string, query?: PageQuery, call?: CallOptions) => Promise<Page<Grant>>;
    /** Takes back what is neither spent nor held; what is held goes when it returns. */
    readonly void: (customerId: string, grantId: string, call?: CallOptions) => Promise<VoidedGrant>;
    /** Ends the renewals of a recurring grant. */
    readonly cancel: (customerId: string, grantId: string, call?: CallOptions) => Promise<Grant>;
  };
  readonly budgets: {
    /** Goes for every request from the reply on. */
    readonly create: (customerId: string, request: BudgetRequest, call?: CallOptions) => Promise<Budget>;
    readonly get: (customerId: string, budgetId: string, call?: CallOptions) => Promise<Budget>;
    readonly list: (customerId: string, query?: PageQuery, call?: CallOptions) => Promise<Page<Budget>>;
    /** Goes for every request from the reply on; what was counted stays. */
    readonly update: (
      customerId: string,
      budgetId: string,
      changes: BudgetChanges,
      call?: CallOptions,
    ) => Promise<Budget>;
    /** It limits nothing from the reply on. */
    readonly delete: (customerId: string, budgetId: string, call?: CallOptions) => Promise<void>;
  };
  readonly assets: {
    readonly create: (request: AssetRequest, call?: CallOptions) => Promise<Asset>;
    readonly get: (code: string, call?: CallOptions) => Promise<Asset>;
    readonly list: (query?: PageQuery, call?: CallOptions) => Promise<Page<Asset>>;
  };
  readonly keys: {
    /** The reply's `secret` is shown this once. */
    readonly create: (request: KeyRequest, call?: CallOptions) => Promise<CreatedKey>;
    readonly list: (query?: PageQuery, call?: CallOptions) => Promise<Page<Key>>;
    /** Refused everywhere within 5 s. */
    readonly revoke: (keyId: string, call?: CallOptions) => Promise<void>;
  };
};

export function farebox(options: FareboxOptions): Farebox {
  const connection: Connection = {
    baseUrl: new URL(options.baseUrl).href.replace(/\/+$/, ''),
    apiKey: checkedApiKey(options.apiKey),
    fetch: options.fetch,
    timeoutMs: checkedTimeoutMs(options.timeoutMs ?? TIMEOUT_MS),
  };
  const request =
    (method: Request['method']) =>
    <Reply>(path: string, body: object | undefined, call?: CallOptions): Promise<Reply> =>
      // Trusted to be what the contract says: the server checks its replies against the same types.
      send(connection, { method, path, body }, call) as Promise<Reply>;
  const post = request('POST');
  const patch = request('PATCH');
  const remove = request('DELETE');
  const get = <Reply>(path: string, call?: CallOptions) => request('GET')<Reply>(path, undefined, call);
  const list = <Reply>(path: string, query: object, call?: CallOptions) => get<Reply>(path + search(query), call);

  const authorize = ((body: AuthorizeRequest, call) => post('/v1/authorize', body, call)) as Farebox['authorize'];
  const holds: HoldCalls & Pick<Farebox, 'release'> = {
    authorize,
    settle: (id, body, call) => post(`/v1/holds/${segment(id)}/settle`, body, call),
    release: (id, call) => post(`/v1/holds/${segment(id)}/release`, {}, call),
    extend: (id, body, call) => post(`/v1/holds/${segment(id)}/extend`, body, call),
  };
  return {
    ...holds,
    authorize,
    charge: ((body: ChargeRequest, call) => post('/v1/charge', body, call)) as Farebox['charge'],
    events: {
      send: (body, call) => post('/v1/events', body, call),
      list: (query = {}, call) => list('/v1/events', query, call),
      rate: (body = {}, call) => post('/v1/events/rate', body, call),
    },
    estimate: (body, call) => post('/v1/estimate', body, call),
    explain: (body, call) => post('/v1/explain', body, call),
    hold: (id, call) => get(`/v1/holds/${segment(id)}`, call),
    explainHold: (id, call) => get(`/v1/holds/${segment(id)}/explain`, call),
    withHold: (body, work, call) => withHold(holds, body, work, call),
    entries: (id, query = {}, call) => list(`/v1/customers/${segment(id)}/entries`, query, call),
    customers: {
      create: (body = {}, call) => post('/v1/customers', body, call),
      get: (id, call) => get(`/v1/customers/${segment(id)}`, call),
      update: (id, body, call) => patch(`/v1/customers/${segment(id)}`, body, call),
      list: (query = {}, call) => list('/v1/customers', query, call),
    },
    wallets: {
      get: (id, call) => get(`/v1/customers/${segment(id)}/wallet`, call),
      freeze: (id, call) => post(`/v1/customers/${segment(id)}/wallet/freeze`, {}, call),
      unfreeze: (id, call) => post(`/v1/customers/${segment(id)}/wallet/unfreeze`, {}, call),
    },
    grants: {
      create: (id, body, call) => post(`/v1/customers/${segment(id)}/grants`, body, call),
      get: (id, grantId, call) => get(`/v1/customers/${segment(id)}/grants/${segment(grantId)}`, call),
      list: (id, query = {}, call) => list(`/v1/customers/${segment(id)}/grants`, query, call),
      void: (id, grantId, call) => post(`/v1/customers/${segment(id)}/grants/${segment(grantId)}/void`, {}, call),
      cancel: (id, grantId, call) => post(`/v1/customers/${segment(id)}/grants/${segment(grantId)}/cancel`, {}, call),
    },
    budgets: {
      create: (id, body, call) => post(`/v1/customers/${segment(id)}/budgets`, body, call),
      get: (id, budgetId, call) => get(`/v1/customers/${segment(id)}/budgets/${segment(budgetId)}`, call),
      list: (id, query = {}, call) => list(`/v1/customers/${segment(id)}/budgets`, query, call),
      update: (id, budgetId, body, call) =>
        patch(`/v1/customers/${segment(id)}/budgets/${segment(budgetId)}`, body, call),
      delete: async (id, budgetId, call) => {
        await remove(`/v1/customers/${segment(id)}/budgets/${segment(budgetId)}`, undefined, call);
      },
    },
    assets: {
      create: (body, call) => post('/v1/assets', body, call),
      get: (code, call) => get(`/v1/assets/${segment(code)}`, call),
      list: (query = {}, call) => list('/v1/assets', query, call),
    },
    keys: {
      create: (body, call) => post('/v1/keys', body, call),
      list: (query = {}, call) => list('/v1/keys', query, call),
      revoke: async (id, call) => {
        await remove(`/v1/keys/${segment(id)}`, undefined, call);
      },
    },
  };
}

const TIMEOUT_MS = 10_000;

/** What can't be a header fails here, without showing the key: the runtime's own message would quote it. */
function checkedApiKey(apiKey: string): string {
  const trimmed = apiKey.trim();
  if (!/^[\x21-\x7e]+$/.test(trimmed))
    throw new RangeError('apiKey: printable ASCII characters, at least one, no spaces');
  return trimmed;
}

/** One segment of a path, whatever the id contains: none may reach another route. */
function segment(id: string): string {
  if (id === '' || id === '.' || id === '..') throw new RangeError(`not an id: ${JSON.stringify(id)}`);
  return encodeURIComponent(id);
}

function search(query: object): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) parameters.append(name, String(value));
  }
  const text = parameters.toString();
  return text === '' ? '' : `?${text}`;
}
