// Look a hold up: live while it is open, from the ledger once it has ended.
import type { HoldRecord } from '../records.ts';
import { call } from './call.ts';
import { findEndedHold, targetOfHold, type HoldTarget, type NoHold } from './ended-hold.ts';
import { applyDue } from './execute.ts';
import { expireHolds } from './expire-holds.ts';
import { hydrateWallet } from './hydrate.ts';
import { clockKey, fenceKey, holdsKey, walletKey } from './keys.ts';
import { decodeHold } from './packed.ts';
import { readHoldScript } from './scripts.gen.ts';
import type { Store } from './store.ts';
import { fencedDetail, retryAfterMs, type Trouble } from './target.ts';

const roundsMax = 200;

export async function findHold(
  store: Store,
  request: { environmentId: string; holdId: string },
): Promise<{ status: 'found'; hold: HoldRecord } | NoHold | Trouble> {
  const target = targetOfHold(request.environmentId, request.holdId);
  if (!target) return { status: 'no_hold' };
  for (let round = 1; round <= roundsMax; round += 1) {
    const found = await look(store, target);
    if (found !== 'again') return found;
  }
  return { status: 'unavailable', detail: 'this wallet has more due than it can catch up with now', retryAfterMs };
}

async function look(
  store: Store,
  target: HoldTarget,
): Promise<{ status: 'found'; hold: HoldRecord } | NoHold | Trouble | 'again'> {
  const { partition } = target;
  const keys = {
    fenceKey: fenceKey(partition),
    clockKey: clockKey(partition),
    walletKey: walletKey(target),
    holdsKey: holdsKey(target),
  };
  const reply = await call(store.nodes.of(partition).redis, readHoldScript, keys, {
    fence: store.fences[partition]!,
    environment: target.environmentId,
    holdRef: target.ref,
  });
  switch (reply.status) {
    case 'hold': {
      const { createdAtMs, expiresAtMs, legs, tags, scopes } = decodeHold(reply.holdRecord);
      if (legs[0].asset !== target.asset) return { status: 'no_hold' };
      if (expiresAtMs <= reply.atMs) {
        // Its time is over, though no sweep has come by: it ends now.
        await expireHolds(store, target, target.ref);
        return 'again';
      }
      return {
        status: 'found',
        hold: {
          ref: target.ref,
          customerId: reply.customerText,
          status: 'open',
          late: false,
          legs,
          ...{ tags, scopes },
          createdAtMs,
          expiresAtMs,
          endedAtMs: undefined,
        },
      };
    }
    case 'unknown_hold': {
      const ended = await findEndedHold(store, target);
      return ended.status === 'ended' ? { status: 'found', hold: ended.hold } : ended;
    }
    case 'due':
      await applyDue(store, target);
      return 'again';
    case 'absent': {
      const loaded = await hydrateWallet(store, target);
      if (loaded === 'ready') return 'again';
      return loaded.status === 'no_customer' ? { status: 'no_hold' } : loaded;
    }
    case 'missing':
      return { status: 'no_hold' };
    case 'fenced':
    case 'unverified':
      await store.onFenced(partition);
      return { status: 'unavailable', detail: fencedDetail, retryAfterMs };
    case 'not_applied':
    case 'unknown':
      return { status: 'unavailable', detail: reply.detail, retryAfterMs };
  }
}
