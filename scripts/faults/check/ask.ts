// A recorded request in the model's terms: amounts in atoms, assets by number, holds by ref.
import type { Mode } from '../../../test/model/decide.ts';
import { codes } from '../../../src/codes.gen.ts';
import type { PurposeName } from '../../../src/records.ts';
import { parseAmount } from '../../../src/units.ts';
import { parseGrantId, parseHoldId } from '../../../src/wallet/ids.ts';
import type { Body, Request } from '../history.ts';

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
  | { kind: 'authorize'; asset: number; amount: bigint; mode: Mode; ttlMs: number }
  | { kind: 'charge'; asset: number; amount: bigint; mode: Mode }
  | ({ kind: 'extend'; amount: bigint; ttlMs: number } & OnHold)
  | ({ kind: 'release' } & OnHold)
  | ({ kind: 'settle'; amount: bigint; isFinal: boolean; onExcess: 'charge' | 'cap' | 'reject' } & OnHold);

/** Both exist from the start, in every environment. */
const assetNumbers: Record<string, number> = { USD: 1, EUR: 2 };
export const scale = 9;
const defaultTtlMs = 60_000;
const defaultPriority = 50;

export function readAsk({ kind, path, body }: Request): Ask {
  const amount = body['amount'] === undefined ? 0n : atomsOf(String(body['amount']));
  const asset = assetNumbers[String(body['asset'])] ?? 0;
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
      return { kind, asset, amount, mode, ttlMs: Number(body['ttl_ms'] ?? defaultTtlMs) };
    case 'charge':
      return { kind, asset, amount, mode };
    case 'extend':
      return { kind, ...onHold(), amount, ttlMs: Number(body['ttl_ms'] ?? 0) };
    case 'release':
      return { kind, ...onHold() };
    case 'settle':
      return {
        kind,
        ...onHold(),
        amount,
        isFinal: body['final'] !== false,
        onExcess: (body['on_excess'] ?? 'charge') as 'charge' | 'cap' | 'reject',
      };
  }
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
