// Customers: https://docs.stripe.com/api/customers
import type Stripe from 'stripe';
import { z } from 'zod';
import {
  expand,
  invalid,
  list,
  listParams,
  metadata,
  missing,
  ok,
  read,
  text,
  type Params,
  type Reply,
} from './reply.ts';
import { makeId, type World } from './world.ts';

const fields = {
  email: text.optional(),
  name: text.optional(),
  description: text.optional(),
  metadata: metadata.optional(),
  expand,
};
const created = z.strictObject(fields);

export function createCustomer(world: World, params: Params): Reply {
  const given = read(created, params);
  if (given.status === 'wrong') return given.reply;
  const { email = null, name = null, description = null, metadata: kept = {} } = given.value;
  const customer: Stripe.Customer = {
    id: makeId('cus'),
    object: 'customer',
    address: null,
    balance: 0,
    created: world.nowSeconds(),
    currency: null,
    customer_account: null,
    default_source: null,
    delinquent: false,
    description,
    discount: null,
    email,
    invoice_prefix: null,
    invoice_settings: { custom_fields: null, default_payment_method: null, footer: null, rendering_options: null },
    livemode: false,
    metadata: kept,
    name,
    next_invoice_sequence: 1,
    phone: null,
    preferred_locales: [],
    shipping: null,
    tax_exempt: 'none',
    test_clock: null,
  };
  world.books.customers[customer.id] = customer;
  world.emit('customer.created', customer);
  return ok(customer);
}

export function getCustomer({ books }: World, id: string): Reply {
  const customer = books.customers[id] ?? books.deletedCustomers[id];
  return customer ? ok(customer) : missing('customer', id);
}

export function updateCustomer(world: World, id: string, params: Params): Reply {
  const customer = world.books.customers[id];
  if (!customer) return missing('customer', id);
  const given = read(created, params);
  if (given.status === 'wrong') return given.reply;
  const { email = customer.email, name = customer.name ?? null, description = customer.description } = given.value;
  Object.assign(customer, { email, name, description, metadata: { ...customer.metadata, ...given.value.metadata } });
  world.emit('customer.updated', customer);
  return ok(customer);
}

export function deleteCustomer(world: World, id: string): Reply {
  const customer = world.books.customers[id];
  if (!customer) return missing('customer', id);
  delete world.books.customers[id];
  const deleted: Stripe.DeletedCustomer = { id, object: 'customer', deleted: true };
  world.books.deletedCustomers[id] = deleted;
  for (const method of Object.values(world.books.paymentMethods)) if (method.customer === id) method.customer = null;
  world.emit('customer.deleted', customer);
  return ok(deleted);
}

const listed = z.strictObject({ ...listParams, email: text.optional() });

export function listCustomers({ books }: World, params: Params): Reply {
  const given = read(listed, params);
  if (given.status === 'wrong') return given.reply;
  const { email } = given.value;
  const all = Object.values(books.customers).filter((customer) => email === undefined || customer.email === email);
  return list('/v1/customers', all, given.value);
}

/** A customer that can still be charged, or what Stripe says of one that cannot. */
export function findCustomer({ books }: World, id: string): Stripe.Customer | Reply {
  const customer = books.customers[id];
  return customer ?? invalid(`No such customer: '${id}'`, { code: 'resource_missing', param: 'customer' });
}
