// What payments need of Postgres, bound to one connection pool; and the credit, applied as soon as its money has arrived.
import type { Config } from '../config.ts';
import { lookAtWaiting } from '../db/auto-top-ups.ts';
import type { Sql } from '../db/connect.ts';
import { beginPayer, chooseMethod, findPayer, forgetPayer, notePayer, renewPayer } from '../db/payers.ts';
import { findTopUpByIntent, lookAtRefundsSoon } from '../db/refunds.ts';
import { readStripeSettings } from '../db/stripe-settings.ts';
import {
  endTopUp,
  giveUpTopUp,
  lookSoon,
  noteCredited,
  noteTopUp,
  noteTopUpAsked,
  settleTopUp,
  type Payment,
} from '../db/top-ups.ts';
import type { PaymentStore } from '../payments/payments.ts';
import type { Refund } from '../records.ts';
import { credit } from '../wallet/credit.ts';
import type { Store } from '../wallet/store.ts';
import { refundStore } from './refund-store.ts';
import type { TopUpNews } from './tell-of-top-up.ts';

export type PaymentParts = {
  sql: Sql;
  config: Pick<Config, 'stripe'>;
  /** Where the wallets are. */
  store: Store;
  onWarning: (message: string, fields: Record<string, unknown>) => void;
  onTopUp?: (news: TopUpNews) => void;
  onRefundEnded?: (refund: Refund) => void;
};

export function paymentStore(parts: PaymentParts): PaymentStore {
  const { sql, config, onTopUp = () => {} } = parts;
  return {
    ...refundStore(parts),
    readSettings: (environmentId) => readStripeSettings(sql, environmentId, config.stripe),
    beginPayer: (environmentId, customerId) => beginPayer(sql, environmentId, customerId),
    findPayer: (environmentId, customerId) => findPayer(sql, environmentId, customerId),
    notePayer: (environmentId, payer) => notePayer(sql, environmentId, payer),
    renewPayer: (environmentId, payer) => renewPayer(sql, environmentId, payer),
    forgetPayer: (topUp) => forgetPayer(sql, topUp.environmentId, topUp),
    chooseMethod: async (environmentId, choice) => {
      await chooseMethod(sql, environmentId, choice);
      await lookAtWaiting(sql, environmentId, choice.customerId);
    },
    noteTopUpAsked: async (topUp) => {
      if (await noteTopUpAsked(sql, topUp)) onTopUp({ topUp, what: 'asked' });
    },
    noteTopUp: (environmentId, id, known) => noteTopUp(sql, environmentId, id, known),
    endTopUp: async (environmentId, id, end) => {
      const ended = await endTopUp(sql, environmentId, id, end);
      if (ended) onTopUp({ topUp: ended, what: ended.failure ? 'failed' : 'canceled' });
    },
    giveUpTopUp: (environmentId, id, why) => giveUpTopUp(sql, environmentId, id, why),
    lookSoon: (environmentId, id, event) => lookSoon(sql, environmentId, id, event),
    findTopUpByIntent: (environmentId, intentId) => findTopUpByIntent(sql, environmentId, intentId),
    lookAtRefundsSoon: (environmentId, topUpId, event) => lookAtRefundsSoon(sql, environmentId, topUpId, event),
    settleTopUp: (topUp, payment) => settle(parts, topUp, payment),
    settleByEvent: (topUp, payment, event) => settle(parts, topUp, payment, event),
  };
}

async function settle(
  { sql, store, onWarning, onTopUp = () => {} }: PaymentParts,
  { environmentId, id }: { environmentId: string; id: string },
  payment: Payment,
  event?: { id: string; type: string },
): Promise<void> {
  const settled = await settleTopUp(sql, environmentId, id, payment, event);
  switch (settled.status) {
    case 'known':
      return;
    case 'no_top_up':
      onWarning('a payment names a top-up that is not there', { top_up: id, payment_intent: payment.intentId });
      return;
    case 'mismatch':
      onWarning('a payment is not what was asked for', { top_up: id, detail: settled.detail });
      return;
    case 'paid': {
      onTopUp({ topUp: settled.topUp, what: 'succeeded' });
      // Whatever else comes of it, a sweep goes on with it.
      const applied = await credit(store, { ...settled.credit, environmentId });
      if (applied.status === 'granted') await noteCredited(sql, environmentId, id);
      else onWarning('a credit that is owed waits', { top_up: id, outcome: applied.status });
    }
  }
}
