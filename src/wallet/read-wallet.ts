// Read a wallet as it is now: what is due has been applied first.
import { codes } from '../codes.gen.ts';
import type { BudgetCounter, FreezeName, NumberedScope } from '../records.ts';
import type { Atoms } from '../units.ts';
import { call } from './call.ts';
import { parseConfig } from './config.ts';
import { applyDue } from './execute.ts';
import { hydrateWallet } from './hydrate.ts';
import { clockKey, fenceKey, walletKey } from './keys.ts';
import {
  cursor,
  decodeBudgetCounter,
  freezeOf,
  readBalances,
  readGrantTerms,
  readScoped,
  type GrantTerms,
} from './packed.ts';
import { readWalletScript } from './scripts.gen.ts';
import type { Store } from './store.ts';
import { fencedDetail, retryAfterMs, type Target, type Trouble } from './target.ts';

export type LiveGrant = Omit<GrantTerms, 'expiresAtMs'> & {
  no: number;
  remaining: Atoms;
  held: Atoms;
  expiresAtMs: number | undefined;
};
export type LiveAccount = {
  asset: number;
  available: Atoms;
  held: Atoms;
  overage: Atoms;
  /** In consumption order; one that has ended stays while a hold has some of it. */
  grants: LiveGrant[];
  /** How much of what is available only some events can take. */
  scoped: Atoms;
};
export type LiveWallet = {
  version: number;
  freeze: FreezeName;
  asOfMs: number;
  accounts: LiveAccount[];
  scheduled: LiveGrant[];
  /** What scopes of its grants cover. */
  scopes: NumberedScope[];
  /** By the budget's number. */
  budgets: ReadonlyMap<number, BudgetCounter>;
};

const roundsMax = 200;

export async function readWallet(
  store: Store,
  target: Target,
): Promise<{ status: 'wallet'; wallet: LiveWallet } | Trouble> {
  const { partition } = target;
  const keys = { fenceKey: fenceKey(partition), clockKey: clockKey(partition), walletKey: walletKey(target) };
  for (let round = 1; round <= roundsMax; round += 1) {
    const args = { fence: store.fences[partition]!, environment: target.environmentId };
    const reply = await call(store.nodes.of(partition).redis, readWalletScript, keys, args);
    switch (reply.status) {
      case 'wallet':
        return {
          status: 'wallet',
          wallet: {
            version: reply.version,
            freeze: freezeOf(reply.freeze),
            asOfMs: reply.atMs,
            ...decodeFields(reply.fieldsPacked),
          },
        };
      case 'due':
        await applyDue(store, target);
        break;
      case 'absent': {
        const loaded = await hydrateWallet(store, target);
        if (loaded !== 'ready') return loaded;
        break;
      }
      case 'missing':
        return { status: 'no_customer' };
      case 'fenced':
      case 'unverified':
        await store.onFenced(partition);
        return {
          status: 'unavailable',
          detail: fencedDetail,
          retryAfterMs,
        };
      case 'not_applied':
      case 'unknown':
        return { status: 'unavailable', detail: reply.detail, retryAfterMs };
    }
  }
  return { status: 'unavailable', detail: 'this wallet has more due than it can catch up with now', retryAfterMs };
}

// The hash, field by field (lua/lib/wallet.lua lists them).
function decodeFields(fields: Buffer[]): Pick<LiveWallet, 'accounts' | 'scheduled' | 'scopes' | 'budgets'> {
  const values = new Map<string, Buffer>();
  for (let i = 0; i < fields.length; i += 2) values.set(String(fields[i]), fields[i + 1]!);
  const grants = [...values]
    .filter(([field]) => field.startsWith('t'))
    .map(([field, packed]) => {
      return decodeGrant(Number(field.slice(1)), packed, values.get(`g${field.slice(1)}`));
    });
  const accounts = [...values]
    .filter(([field]) => /^a\d/.test(field))
    .map(([field, packed]) => {
      const asset = Number(field.slice(1));
      const { available, held, overage } = readBalances(cursor(packed));
      return {
        asset,
        available,
        held,
        overage,
        scoped: readScoped(cursor(packed)),
        grants: grants.filter((grant) => grant.asset === asset && grant.state !== 'scheduled').sort(inConsumptionOrder),
      };
    })
    .sort((a, b) => a.asset - b.asset);
  const { scopes } = parseConfig(1, String(values.get('x') ?? '{}'));
  const budgets = new Map(
    [...values]
      .filter(([field]) => /^b\d/.test(field))
      .map(([field, packed]) => [Number(field.slice(1)), decodeBudgetCounter(packed)]),
  );
  return { accounts, scheduled: grants.filter((grant) => grant.state === 'scheduled'), scopes, budgets };
}

function decodeGrant(no: number, packedTerms: Buffer, packed: Buffer | undefined): LiveGrant {
  const terms = readGrantTerms(cursor(packedTerms));
  const from = packed && cursor(packed);
  return {
    ...terms,
    no,
    remaining: from?.atoms() ?? (0n as Atoms),
    held: from?.atoms() ?? (0n as Atoms),
    expiresAtMs: terms.expiresAtMs === codes.never_ms ? undefined : terms.expiresAtMs,
  };
}

// The order that lua/lib/grants.lua keeps; here also for grants that are wholly held, which it does not list.
function inConsumptionOrder(a: LiveGrant, b: LiveGrant): number {
  return (
    a.priority - b.priority ||
    Number(b.scope > 0) - Number(a.scope > 0) ||
    (a.expiresAtMs ?? codes.never_ms) - (b.expiresAtMs ?? codes.never_ms) ||
    codes.purpose[a.purpose] - codes.purpose[b.purpose] ||
    a.effectiveAtMs - b.effectiveAtMs ||
    a.createdAtMs - b.createdAtMs ||
    a.no - b.no
  );
}
