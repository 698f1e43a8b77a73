// Customers: who pays. Each has one wallet, which is in Redis before the reply is sent.
import { z } from '@hono/zod-openapi';
import type { Customer as CustomerReply } from '../contract.ts';
import type { Customer } from '../records.ts';
import { refuse } from './answer.ts';
import { operationFor } from './idempotency.ts';
import { listAnswer, pageOf, pageQuery, pageSchema } from './paging.ts';
import { defineRoute } from './route.ts';
import { asJsonObject, customerId, email, metadata, metadataOut, name, timeOut } from './schemas.ts';
import { formatTime } from './time.ts';

export const customerBody = z
  .strictObject({
    id: customerId.optional(),
    name: name.optional(),
    email: email.optional(),
    metadata: metadata.optional(),
  })
  .openapi('CustomerRequest');

export const customerChanges = z
  .strictObject({
    name: name.nullable().optional(),
    email: email.nullable().optional(),
    metadata: metadata.optional(),
  })
  .openapi('CustomerChanges', { description: 'What is absent stays, null empties, `metadata` is replaced whole.' });

export const customerReply = z
  .object({
    id: z.string(),
    name: z.string().nullable(),
    email: z.string().nullable(),
    metadata: metadataOut,
    created_at: timeOut,
  })
  .openapi('Customer');

export const createCustomer = defineRoute({
  summary: 'Create a customer, and with it a wallet',
  body: customerBody,
  reply: { status: 201, description: 'The customer.', schema: customerReply },
  errors: ['customer_exists'],
  handle: async (api, call) => {
    const { environmentId, body } = call;
    const { id: operationId, fingerprint } = operationFor(api, call);
    const made = await api.ledger.createCustomer(environmentId, {
      id: body.id,
      name: body.name,
      email: body.email,
      metadata: asJsonObject(body.metadata),
      operationId,
      fingerprint,
    });
    switch (made.status) {
      case 'exists':
        return refuse('customer_exists', `there is a customer ${body.id ?? ''} already`);
      case 'conflict':
        return refuse('idempotency_conflict', 'the Idempotency-Key came with another body before');
      case 'created':
      case 'replayed':
        break;
    }
    const isNew = made.status === 'created';
    const wallet = await api.wallets.createWallet({ environmentId, customerId: made.customer.id, isNew });
    if (wallet.status !== 'ready') {
      // The row is there, so that only a repeat of this very operation gets to its 201.
      return refuse('outcome_unknown', 'the customer was created, but not yet the wallet', {
        outcome: 'unknown',
        more: { idempotency_key: call.idempotencyKey },
      });
    }
    // From the request, which is the same as the first: the customer may have been changed since.
    const first = { ...made.customer, name: body.name, email: body.email, metadata: asJsonObject(body.metadata) };
    return { status: 201, body: show(first), replayed: !isNew };
  },
});

export const listCustomers = defineRoute({
  summary: 'List customers',
  query: pageQuery,
  reply: { status: 200, description: 'Newest first.', schema: pageSchema(customerReply) },
  errors: [],
  handle: async (api, { environmentId, query }) =>
    listAnswer(await api.ledger.listCustomers(environmentId, pageOf(query)), show),
});

export const getCustomer = defineRoute({
  summary: 'Get a customer',
  reply: { status: 200, description: 'The customer.', schema: customerReply },
  errors: ['customer_not_found'],
  handle: async (api, { environmentId, params }) => {
    const customer = await api.ledger.findCustomer(environmentId, params.customer_id);
    return customer ? { status: 200, body: show(customer) } : noCustomer;
  },
});

export const updateCustomer = defineRoute({
  summary: 'Change a customer',
  body: customerChanges,
  reply: { status: 200, description: 'The customer as it is now.', schema: customerReply },
  errors: ['customer_not_found'],
  handle: async (api, { environmentId, params, body }) => {
    const customer = await api.ledger.updateCustomer(environmentId, params.customer_id, {
      ...(body.name !== undefined && { name: body.name }),
      ...(body.email !== undefined && { email: body.email }),
      ...(body.metadata !== undefined && { metadata: asJsonObject(body.metadata) }),
    });
    return customer ? { status: 200, body: show(customer) } : noCustomer;
  },
});

export const noCustomer = refuse('customer_not_found', 'there is no such customer in this environment');

function show(customer: Customer): CustomerReply {
  return {
    id: customer.id,
    name: customer.name ?? null,
    email: customer.email ?? null,
    metadata: customer.metadata,
    created_at: formatTime(customer.createdAtMs),
  };
}
