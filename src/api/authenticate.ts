// Who is asking, and whether their key may do this.
import type { Key, Scope } from '../records.ts';
import { refuse, type Refused } from './answer.ts';
import type { Deps } from './deps.ts';

const bearer = /^Bearer +([\x21-\x7e]+) *$/i;
const scheme = 'Bearer ';

/** The key, at once when it is in the process's cache; or why not. */
export function authenticate(
  deps: Pick<Deps, 'authenticate'>,
  secret: string | undefined,
  scopes: readonly Scope[],
): Key | Refused | Promise<Key | Refused> {
  if (secret === undefined) return unauthorized('there is no `Authorization: Bearer <key>`');
  const key = deps.authenticate(secret);
  return key instanceof Promise ? key.then((found) => check(found, scopes)) : check(key, scopes);
}

/** What the header `Authorization: Bearer <secret>` carries. */
export function secretOf(authorization: string | null): string | undefined {
  if (authorization === null) return undefined;
  if (authorization.startsWith(scheme) && !authorization.includes(' ', scheme.length)) {
    return authorization.slice(scheme.length) || undefined;
  }
  return bearer.exec(authorization)?.[1];
}

function check(key: Key | undefined, scopes: readonly Scope[]): Key | Refused {
  if (!key) return unauthorized('the key is unknown, incomplete, or revoked');
  if (key.expiresAtMs !== undefined && key.expiresAtMs <= Date.now()) return unauthorized('the key has expired');
  for (const scope of key.scopes) if (scope === 'admin' || scopes.includes(scope)) return key;
  const needed = scopes.map((scope) => `\`${scope}\``).join(' or ');
  return refuse('missing_scope', `this needs a key with scope ${needed}; yours has ${key.scopes.join(', ') || 'none'}`);
}

function unauthorized(detail: string): Refused {
  return refuse('unauthorized', detail, { headers: { 'www-authenticate': 'Bearer' } });
}
