// Operation ids: what makes a repeat a repeat.
import { hash, randomBytes } from 'node:crypto';
import { operationKeepMs, ownOperationKeepMs } from '../limits.ts';

export type Operation = {
  id: string;
  fingerprint: string;
  keepMs: number;
  /** It may have been applied longer ago than Redis remembers: the ledger is asked first. */
  isForgotten?: true;
  /** Not longer ago than this; absent: than operations are remembered. */
  sinceMs?: number;
};

/** Our own operations are repeated by us alone, with the same request: there is nothing to compare. */
export const noFingerprint = '-----------';

const bootId = randomBytes(6).toString('base64url');
let operationsCount = 0;

/**
 * The operation that a request is. With a caller's key: 128 bits of SHA-256 over environment, concrete path, customer and
 * key, and 64 bits over the body's JSON value. Without: an id of our own, counted, with no random bytes per request.
 */
export function operationOf(request: {
  environmentId: string;
  path: string;
  customerId: string | undefined;
  key: string | undefined;
  body: unknown;
}): Operation {
  if (request.key === undefined) return ownOperation();
  const scope = `${request.environmentId}\0${request.path}\0${request.customerId ?? ''}\0${request.key}`;
  return {
    id: hash('sha256', scope, 'base64url').slice(0, 22),
    fingerprint: hash('sha256', canonical(request.body), 'base64url').slice(0, 11),
    keepMs: operationKeepMs,
  };
}

export function ownOperation(): Operation {
  operationsCount += 1;
  return { id: `${bootId}.${operationsCount.toString(36)}`, fingerprint: noFingerprint, keepMs: ownOperationKeepMs };
}

/** JSON with its keys in order: the same value is the same text. */
function canonical(value: unknown): string {
  return JSON.stringify(inOrder(value));
}

// A copy takes less than half of the time that a replacer does (2 against 5 µs). Bodies have no key `__proto__` (api/json.ts).
function inOrder(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(inOrder);
  const given = value as Record<string, unknown>;
  const ordered: Record<string, unknown> = {};
  for (const key of Object.keys(given).sort()) ordered[key] = inOrder(given[key]);
  return ordered;
}
