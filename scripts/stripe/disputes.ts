// Disputes: the bank takes a payment back. https://docs.stripe.com/api/disputes
import type Stripe from 'stripe';
import { z } from 'zod';
import { invalid, list, listParams, missing, ok, read, text, type Params, type Reply } from './reply.ts';
import { makeId, type World } from './world.ts';

const respondSeconds = 7 * 86_400;

export function openDispute(
  world: World,
  charge: Stripe.Charge,
  { amount, reason }: { amount: number; reason: string },
): Stripe.Dispute {
  const dispute: Stripe.Dispute = {
    id: makeId('du'),
    object: 'dispute',
    amount,
    balance_transactions: [],
    charge: charge.id,
    created: world.nowSeconds(),
    currency: charge.currency,
    enhanced_eligibility_types: [],
    evidence: noEvidence,
    evidence_details: {
      due_by: world.nowSeconds() + respondSeconds,
      enhanced_eligibility: {},
      has_evidence: false,
      past_due: false,
      submission_count: 0,
      submission_method: 'not_submitted',
    },
    intended_submission_method: null,
    is_charge_refundable: false,
    livemode: false,
    metadata: {},
    payment_intent: charge.payment_intent,
    reason,
    status: 'needs_response',
  };
  charge.disputed = true;
  world.books.disputes[dispute.id] = dispute;
  world.emit('charge.dispute.created', dispute);
  world.emit('charge.dispute.funds_withdrawn', dispute);
  return dispute;
}

/** The bank has decided. */
export function endDispute(world: World, id: string, status: 'won' | 'lost'): Reply {
  const dispute = world.books.disputes[id];
  if (!dispute) return missing('dispute', id, 'dispute');
  if (dispute.status === 'won' || dispute.status === 'lost') return invalid('This dispute is already closed.');
  dispute.status = status;
  if (status === 'won') world.emit('charge.dispute.funds_reinstated', dispute);
  world.emit('charge.dispute.closed', dispute);
  return ok(dispute);
}

export function getDispute({ books }: World, id: string): Reply {
  const dispute = books.disputes[id];
  return dispute ? ok(dispute) : missing('dispute', id, 'dispute');
}

const listed = z.strictObject({ ...listParams, charge: text.optional(), payment_intent: text.optional() });

export function listDisputes({ books }: World, params: Params): Reply {
  const given = read(listed, params);
  if (given.status === 'wrong') return given.reply;
  const { charge, payment_intent } = given.value;
  const all = Object.values(books.disputes).filter(
    (dispute) =>
      (charge === undefined || dispute.charge === charge) &&
      (payment_intent === undefined || dispute.payment_intent === payment_intent),
  );
  return list('/v1/disputes', all, given.value);
}

const noEvidence: Stripe.Dispute.Evidence = {
  access_activity_log: null,
  billing_address: null,
  cancellation_policy: null,
  cancellation_policy_disclosure: null,
  cancellation_rebuttal: null,
  customer_communication: null,
  customer_email_address: null,
  customer_name: null,
  customer_purchase_ip: null,
  customer_signature: null,
  duplicate_charge_documentation: null,
  duplicate_charge_explanation: null,
  duplicate_charge_id: null,
  enhanced_evidence: {},
  product_description: null,
  receipt: null,
  refund_policy: null,
  refund_policy_disclosure: null,
  refund_refusal_explanation: null,
  service_date: null,
  service_documentation: null,
  shipping_address: null,
  shipping_carrier: null,
  shipping_date: null,
  shipping_documentation: null,
  shipping_tracking_number: null,
  uncategorized_file: null,
  uncategorized_text: null,
};
