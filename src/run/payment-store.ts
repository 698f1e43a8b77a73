// What payments need of Postgres, bound to one connection pool.
import type { Config } from '../config.ts';
import type { Sql } from '../db/connect.ts';
import { beginPayer, chooseMethod, findPayer, notePayer, renewPayer } from '../db/payers.ts';
import { readStripeSettings } from '../db/stripe-settings.ts';
import type { PaymentStore } from '../payments/payments.ts';

export function paymentStore(sql: Sql, { stripe }: Pick<Config, 'stripe'>): PaymentStore {
  return {
    readSettings: (environmentId) => readStripeSettings(sql, environmentId, stripe),
    beginPayer: (environmentId, customerId) => beginPayer(sql, environmentId, customerId),
    findPayer: (environmentId, customerId) => findPayer(sql, environmentId, customerId),
    notePayer: (environmentId, payer) => notePayer(sql, environmentId, payer),
    renewPayer: (environmentId, payer) => renewPayer(sql, environmentId, payer),
    chooseMethod: (environmentId, choice) => chooseMethod(sql, environmentId, choice),
  };
}
