// What the stand-in for Stripe has in its books, and what every part of it works with.
//
// The shapes are those of the official package, so a reply that lacks a field of the version that it speaks does not compile.
import { randomBytes } from 'node:crypto';
import type Stripe from 'stripe';
import type { CardName } from './cards.ts';

export type Books = {
  customers: Record<string, Stripe.Customer>;
  /** Deleted ones: they are still found, and of no more use. */
  deletedCustomers: Record<string, Stripe.DeletedCustomer>;
  paymentMethods: Record<string, Stripe.PaymentMethod>;
  /** By payment method: which test card it is. */
  cards: Record<string, CardName>;
  paymentIntents: Record<string, Stripe.PaymentIntent>;
  charges: Record<string, Stripe.Charge>;
  setupIntents: Record<string, Stripe.SetupIntent>;
  checkoutSessions: Record<string, CheckoutSession>;
  /** By session: what its payment or setup intent will be made with. */
  checkoutTerms: Record<string, CheckoutTerms>;
  refunds: Record<string, Stripe.Refund>;
  disputes: Record<string, Stripe.Dispute>;
  events: Record<string, Stripe.Event>;
};

export type CheckoutSession = Stripe.Checkout.Session;
export type CheckoutTerms = {
  description: string;
  intentMetadata: Record<string, string>;
  receiptEmail: string | null;
  savesMethod: boolean;
};

export type World = {
  books: Books;
  /** Where the stand-in itself is reached. */
  url: string;
  /** Seconds since 1970, as Stripe counts. */
  nowSeconds: () => number;
  /** Keeps an event about an object as it is now, and sends it to every endpoint. */
  emit: (type: string, object: object) => Stripe.Event;
  /** How long the slow card takes. */
  slowMs: number;
};

export function emptyBooks(): Books {
  return {
    customers: {},
    deletedCustomers: {},
    paymentMethods: {},
    cards: {},
    paymentIntents: {},
    charges: {},
    setupIntents: {},
    checkoutSessions: {},
    checkoutTerms: {},
    refunds: {},
    disputes: {},
    events: {},
  };
}

export function makeId(prefix: string): string {
  const text = randomBytes(32)
    .toString('base64')
    .replace(/[^A-Za-z0-9]/g, '');
  return `${prefix}_${text.slice(0, 24)}`;
}
