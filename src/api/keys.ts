// Keys: who may call. The secret is shown once, and to a repeat of the same request.
import { z } from '@hono/zod-openapi';
import type { CreatedKey as CreatedKeyReply, Key as KeyReply } from '../contract.ts';
import type { Key } from '../records.ts';
import { refuse, refuseFields, type Answer } from './answer.ts';
import type { CreatedKey } from './deps.ts';
import { operationFor } from './idempotency.ts';
import { listAnswer, pageOf, pageQuery, pageSchema } from './paging.ts';
import { defineRoute } from './route.ts';
import { name, timeOut, timestamp } from './schemas.ts';
import { openReply, sealReply } from './sealed-reply.ts';
import { formatTime, formatTimeOrNull } from './time.ts';

const scope = z.enum(['authorize', 'read', 'credit', 'catalog', 'admin']);

export const keyBody = z
  .strictObject({
    name,
    scopes: z
      .array(scope)
      .min(1)
      .refine((scopes) => new Set(scopes).size === scopes.length, 'names a scope twice')
      .openapi({ description: '`admin` includes all others.' }),
    expires_at: timestamp.optional(),
  })
  .openapi('KeyRequest');

export const keyReply = z
  .object({
    id: z.string(),
    name: z.string(),
    scopes: z.array(scope),
    created_at: timeOut,
    expires_at: timeOut.nullable(),
  })
  .openapi('Key');

export const createdKeyReply = keyReply
  .extend({ secret: z.string().openapi({ description: '`fb_test_…` or `fb_live_…`; shown this once.' }) })
  .openapi('CreatedKey');

export const createKey = defineRoute({
  summary: 'Create a key',
  body: keyBody,
  reply: { status: 201, description: 'The key, with its secret.', schema: createdKeyReply },
  errors: [],
  handle: async (api, call): Promise<Answer> => {
    const { environmentId, body, secret } = call;
    const { id: operationId, fingerprint } = operationFor(api, call);
    const seal = { secret, operationId };
    // First, since what was a time to come then may be past in a repeat.
    const known = await api.ledger.findReply(environmentId, operationId, fingerprint);
    if (known.status === 'none' && body.expires_at !== undefined && body.expires_at <= Date.now()) {
      return refuseFields([{ path: 'expires_at', message: 'must be a time to come' }]);
    }
    const made =
      known.status === 'none'
        ? await api.ledger.createKey(environmentId, {
            name: body.name,
            scopes: body.scopes,
            expiresAtMs: body.expires_at,
            operationId,
            fingerprint,
            replyOf: (created) => sealReply(JSON.stringify(showCreated(created)), seal),
          })
        : known;
    switch (made.status) {
      case 'created':
        return { status: 201, body: showCreated(made) };
      case 'found':
      case 'replayed': {
        const text = await openReply(made.reply, seal);
        return text === undefined
          ? refuse('idempotency_conflict', 'the Idempotency-Key was used with another API key before')
          : { status: 201, text, replayed: true };
      }
      case 'conflict':
        return refuse('idempotency_conflict', 'the Idempotency-Key came with another body before');
    }
  },
});

export const listKeys = defineRoute({
  summary: 'List keys, without their secrets',
  query: pageQuery,
  reply: { status: 200, description: 'Newest first.', schema: pageSchema(keyReply) },
  errors: [],
  handle: async (api, { environmentId, query }) =>
    listAnswer(await api.ledger.listKeys(environmentId, pageOf(query)), show),
});

export const revokeKey = defineRoute({
  summary: 'Revoke a key',
  reply: { status: 204, description: 'Revoked: refused everywhere within 5 s.' },
  errors: ['key_not_found'],
  handle: async (api, { environmentId, params }): Promise<Answer> =>
    (await api.ledger.revokeKey(environmentId, params.key_id))
      ? { status: 204 }
      : refuse('key_not_found', 'there is no such key in this environment'),
});

function show(key: Key): KeyReply {
  return {
    id: key.id,
    name: key.name,
    scopes: key.scopes,
    created_at: formatTime(key.createdAtMs),
    expires_at: formatTimeOrNull(key.expiresAtMs),
  };
}

const showCreated = ({ key, secret }: CreatedKey): CreatedKeyReply => ({ ...show(key), secret });
