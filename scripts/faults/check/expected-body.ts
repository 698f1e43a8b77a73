// What the API says where the model answers so: a yes, field by field.
import { codes } from '../../../src/codes.gen.ts';
import type { Reply as ModelReply } from '../../../test/model/wallet.ts';
import { formatAmount } from '../../../src/units.ts';
import { chargeIdOf, grantIdOf, holdIdOf } from '../../../src/wallet/ids.ts';
import type { Body } from '../history.ts';
import { scale } from '../pricing.ts';
import { readAsk } from './ask.ts';
import type { Done } from './replay.ts';

export const money = (atoms: ModelReply[string] | undefined): string => formatAmount(BigInt(atoms ?? 0), scale);
const instant = (ms: ModelReply[string] | undefined): string => new Date(Number(ms)).toISOString();

export function expectedBody({ request, entry, outcome }: Done): Body {
  const { reply } = outcome;
  const { walletId, epoch } = entry;
  const ask = readAsk(request);
  const account = { available: money(reply['availableAtoms']), held: money(reply['heldAtoms']) };
  const version = Number(reply['version']);
  switch (ask.kind) {
    case 'grant':
      return { id: grantIdOf(walletId, entry.grant?.no ?? 0), ...grantBody(reply, ask.amount) };
    case 'void':
      return { status: 'voided', voided: money(reply['takenAtoms']), remaining: '0', held: money(reply['heldAtoms']) };
    case 'authorize':
      return {
        id: holdIdOf(walletId, ask.asset, `${epoch}.${version}`),
        status: 'approved',
        amount: money(reply['takeAtoms']),
        ...account,
        expires_at: instant(Number(reply['createdAtMs']) + ask.ttlMs),
        version,
      };
    case 'charge':
      return {
        id: chargeIdOf(walletId, epoch, version),
        status: 'charged',
        amount: money(reply['takeAtoms']),
        ...account,
        version,
      };
    case 'extend':
      return {
        status: 'approved',
        amount: money(reply['totalAtoms']),
        ...account,
        expires_at: instant(reply['expiresAtMs']),
        version,
      };
    case 'release':
      return { status: 'released', ...parts(reply), ...account, version };
    case 'settle':
      return {
        status: reply['openFlag'] === 1 ? 'open' : 'settled',
        ...parts(reply),
        overage: money(reply['overageAtoms']),
        late: reply['lateFlag'] === 1,
        ...account,
        version,
      };
  }
}

function parts(reply: ModelReply): Body {
  return { settled: money(reply['settledAtoms']), released: money(reply['releasedAtoms']) };
}

function grantBody(reply: ModelReply, amount: bigint): Body {
  const isScheduled = reply['state'] === codes.grant_state.scheduled;
  const isSpent = reply['state'] === codes.grant_state.spent;
  return {
    amount: money(amount),
    // What is scheduled is in no account yet: nothing of it is spent.
    remaining: isScheduled ? money(amount) : money(reply['remainingAtoms']),
    held: '0',
    status: isScheduled ? 'scheduled' : isSpent ? 'spent' : 'active',
    effective_at: instant(reply['effectiveMs']),
  };
}

/** The fields in which a body is not as expected. */
export function bodyDifferences(expected: Body, found: Body): string[] {
  return Object.entries(expected)
    .filter(([name, value]) => String(found[name]) !== String(value))
    .map(([name, value]) => `${name}: told ${String(found[name])}, the model says ${String(value)}`);
}
