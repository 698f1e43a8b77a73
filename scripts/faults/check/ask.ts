// A recorded request in the model's terms: amounts in atoms, assets by number, holds by ref.
import type { Mode } from '../../../test/model/decide.ts';
import type { Due } from '../../../test/model/settle.ts';
import type { AskedLeg } from '../../../test/model/wallet.ts';
import { codes } from '../../../src/codes.gen.ts';
import type { PurposeName } from '../../../src/records.ts';
import { parseAmount } from '../../../src/units.ts';
import { parseGrantId, parseHoldId } from '../../../src/wallet/ids.ts';
import { isYes, type Body, type Reply, type Request } from '../history.ts';
import { duesOf, scale, type EventType } from '../pricing.ts';

type OnHold = { asset: number; ref: string };

export type Ask =
  | {
      kind: 'grant';
      asset: number;
      amount: bigint;
      purpose: PurposeName;
      priority: number;
      effectiveAtMs: number | undefined;
      expiresAtMs: number | undefined;
    }
  | { kind: 'void'; asset: number; grantNo: number }
  | { kind: 'authorize'; asset: number; amount: bigint; legs: AskedLeg[]; mode: Mode; ttlMs: number }
  | { kind: 'charge'; asset: number; amount: bigint; legs: AskedLeg[]; mode: Mode }
  | ({ kind: 'extend'; amount: bigint; ttlMs: number } & OnHold)
  | ({ kind: 'release' } & OnHold)
  | ({ kind: 'settle'; amount: bigint; dues: Due[]; isFinal: boolean; onExcess: 'charge' | 'cap' | 'reject' } & OnHold);

/** Both exist from the start, in every environment. */
const assetNumbers: Record<string, number> = { USD: 1, EUR: 2 };
const defaultTtlMs = 60_000;
const defaultPriority = 50;

/** `priceVersion`: that of the prices by which an event is taken to cost; default: what its answer said. */
export function readAsk(request: Request, priceVersion = toldVersion(request)): Ask {
  const { kind, path, body } = request;
  const dues = duesIn(request, priceVersion);
  const amount = dues[0]?.amount ?? (body['amount'] === undefined ? 0n : atomsOf(String(body['amount'])));
  const asset = dues[0]?.asset ?? assetNumbers[String(body['asset'])] ?? 0;
  const legs = dues.slice(1).map((due) => ({ ...due, num: 0n, den: 0n }));
  const mode = (body['mode'] ?? 'strict') as Mode;
  const onHold = (): OnHold => {
    const named = parseHoldId(path.split('/')[3] ?? '');
    return { asset: named?.asset ?? 0, ref: named?.ref ?? '' };
  };
  switch (kind) {
    case 'grant':
      return {
        kind,
        asset,
        amount,
        purpose: (body['purpose'] ?? 'promotional') as PurposeName,
        priority: Number(body['priority'] ?? defaultPriority),
        effectiveAtMs: instant(body['effective_at']),
        expiresAtMs: instant(body['expires_at']),
      };
    case 'void':
      // Grants of one asset alone are voided: the path does not name it.
      return { kind, asset: assetNumbers['USD']!, grantNo: parseGrantId(path.split('/')[5] ?? '')?.grantNo ?? 0 };
    case 'authorize':
      return { kind, asset, amount, legs, mode, ttlMs: Number(body['ttl_ms'] ?? defaultTtlMs) };
    case 'charge':
      return { kind, asset, amount, legs, mode };
    case 'extend':
      return { kind, ...onHold(), amount, ttlMs: Number(body['ttl_ms'] ?? 0) };
    case 'release':
      return { kind, ...onHold() };
    case 'settle': {
      const hold = onHold();
      const amountOf = (asked: number) => dues.find((due) => due.asset === asked)?.amount ?? 0n;
      return {
        ...{ kind, ...hold },
        amount: dues.length > 0 ? amountOf(hold.asset) : amount,
        dues: dues.filter((due) => due.asset !== hold.asset),
        isFinal: body['final'] !== false,
        onExcess: (body['on_excess'] ?? 'charge') as 'charge' | 'cap' | 'reject',
      };
    }
  }
}

export const isEvent = ({ body }: Request): boolean => body['event_type'] !== undefined;

function duesIn({ body, data }: Request, priceVersion: number): Due[] {
  const eventType = body['event_type'] as EventType | undefined;
  const tokens = data?.['tokens'] ?? 0;
  return eventType === undefined
    ? []
    : duesOf(eventType, tokens, priceVersion).map(({ asset, atoms }) => ({
        asset: assetNumbers[asset]!,
        amount: atoms,
      }));
}

/** Of the prices that an event's yes names. */
export function pricedBy(reply: Reply | undefined): number | undefined {
  const lines = reply?.body['lines'] as unknown as { price_version: number }[] | undefined;
  return isYes(reply) ? lines?.[0]?.price_version : undefined;
}

function toldVersion({ attempts }: Request): number {
  return attempts.reduce<number | undefined>((told, { reply }) => told ?? pricedBy(reply), undefined) ?? 1;
}

function atomsOf(text: string): bigint {
  const parsed = parseAmount(text, scale);
  if (parsed.status !== 'ok') throw new Error(`${text} is no amount`);
  return parsed.atoms;
}

export const reasonOf = (code: unknown): keyof typeof codes.reason => {
  const found = Object.entries(codes.reason).find(([, number]) => number === Number(code));
  if (!found) throw new Error(`${String(code)} is no reason`);
  return found[0] as keyof typeof codes.reason;
};

function instant(text: Body[string]): number | undefined {
  return text === undefined ? undefined : Date.parse(String(text));
}
