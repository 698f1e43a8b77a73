// Whether the model says the same no at a certain version: what is affordable, how a hold has ended, what it still holds.
//
// A refusal writes nothing, not even what was due, so the model is asked at every instant between request and answer at
// which something falls due. That is done by version: what was due is an entry sooner or later.
import type { Sent } from '../../../test/model/budgets.ts';
import { authorize, charge, extend } from '../../../test/model/calls.ts';
import type { Reply as ModelReply, World } from '../../../test/model/wallet.ts';
import type { Reply, Request } from '../history.ts';
import { readAsk, reasonOf, type Ask } from './ask.ts';
import { bodyDifferences, money } from './expected-body.ts';
import type { Timeline } from './replay.ts';

/** `priceVersions`: by which an event may have been priced; an amount is the same in all of them. */
export type Refusal = { readonly request: Request; readonly reply: Reply; readonly priceVersions: readonly number[] };

export function isRefusalOf(timeline: Timeline, version: number, { request, reply, priceVersions }: Refusal): boolean {
  return priceVersions.some((priceVersion) => isSo(timeline, version, readAsk(request, priceVersion), reply));
}

function isSo(timeline: Timeline, version: number, ask: Ask, reply: Reply): boolean {
  const world = timeline.worlds.get(version);
  if (!world) return false;
  const { code } = reply.body;
  const { budgets } = timeline;
  if (reply.status === 200) return isShadowOf(world, ask, { reply, budgets });
  switch (reply.status) {
    case 402:
      return isDeclineOf(world, ask, { reply, budgets });
    case 409:
      return ask.kind === 'void' ? true : isClosedOf(timeline, version, ask, reply);
    case 422:
      // A first request must name a time to come; one whose first attempt came to nothing is a first one still.
      if (ask.kind === 'grant') return code === 'invalid_request' && ask.expiresAtMs !== undefined;
      return code === 'exceeds_hold' && ask.kind === 'settle' && exceeds(timeline, world, ask);
    case 404:
      // A grant that was never applied, or has left: the ledger's view, which may be behind.
      if (ask.kind === 'void') return code === 'grant_not_found';
      // A hold that was lost, and that nobody knows any more.
      return code === 'hold_not_found' && 'ref' in ask && !isKnown(timeline, version, ask.ref);
    default:
      return false;
  }
}

function decide(world: World, ask: Ask, budgets: Sent): ModelReply | undefined {
  const operation = { id: 'asked', fingerprint: '' };
  const now: World = { ...world, remembered: new Map() };
  switch (ask.kind) {
    case 'authorize':
      return authorize(now, operation, { ...ask, repeated: false, budgets }).reply;
    case 'charge':
      return charge(now, operation, { ...ask, repeated: false, budgets }).reply;
    case 'extend':
      return extend(now, operation, { ...ask, repeated: false, budgets }).reply;
    case 'grant':
    case 'void':
    case 'settle':
    case 'release':
      return undefined;
  }
}

type Told = { reply: Reply; budgets: Sent };

function isDeclineOf(world: World, ask: Ask, { reply: { body }, budgets }: Told): boolean {
  const reply = decide(world, ask, budgets);
  if (reply?.status !== 'declined') return false;
  const reason = reasonOf(reply['reason']);
  const expected = {
    code: codes402[reason] ?? 'insufficient_balance',
    limit_source: reason,
    available: money(reply['availableAtoms']),
    held: money(reply['heldAtoms']),
    affordable: money(reply['affordableAtoms']),
  };
  return bodyDifferences(expected, body).length === 0;
}

const codes402: Record<string, string> = { overage: 'wallet_in_overage', budget: 'budget_exceeded' };

function isShadowOf(world: World, ask: Ask, { reply: { body }, budgets }: Told): boolean {
  const reply = decide(world, ask, budgets);
  // It names the version that is stored; what was due by then is reckoned in.
  if (!reply || reply.status !== body['status'] || Number(body['version']) > world.wallet.version) return false;
  const amount = reply.status === 'shadow_approved' ? { amount: money(reply['takeAtoms']) } : {};
  const account = { available: money(reply['availableAtoms']), held: money(reply['heldAtoms']) };
  return bodyDifferences({ ...amount, ...account }, body).length === 0;
}

function isClosedOf(timeline: Timeline, version: number, ask: Ask, { body }: Reply): boolean {
  if (!('ref' in ask)) return false;
  return (timeline.ended.get(ask.ref) ?? []).some(({ version: endedAt, status, hold }) => {
    const [{ settled, released }] = hold.legs;
    const told = { hold_status: status, settled: money(settled), released: money(released) };
    return endedAt <= version && bodyDifferences(told, body).length === 0;
  });
}

function isKnown({ worlds, ended }: Timeline, version: number, ref: string): boolean {
  const isOpen = worlds.get(version)?.wallet.holds.has(ref) ?? false;
  return isOpen || (ended.get(ref) ?? []).some((end) => end.version <= version);
}

function exceeds(timeline: Timeline, world: World, ask: Ask & { kind: 'settle' }): boolean {
  const open = world.wallet.holds.get(ask.ref);
  const expired = timeline.ended.get(ask.ref)?.find(({ status }) => status === 'expired')?.hold;
  const within = open?.legs[0].held ?? expired?.legs[0].released ?? 0n;
  return ask.onExcess === 'reject' && ask.amount > within;
}
