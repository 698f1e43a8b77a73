// The test cards: by the name of the payment method, as in Stripe's test mode, what happens when they are charged.
//
// From https://docs.stripe.com/testing, but for `pm_card_slow` and `pm_card_timeoutAfterEffect`, which Stripe does not have.

export const cards = {
  pm_card_visa: { brand: 'visa', last4: '4242', does: 'succeeds', label: 'succeeds' },
  pm_card_mastercard: { brand: 'mastercard', last4: '4444', does: 'succeeds', label: 'succeeds' },
  pm_card_chargeDeclined: {
    brand: 'visa',
    last4: '0002',
    does: 'cannot_be_saved',
    label: 'is declined, when it is saved too',
  },
  pm_card_chargeCustomerFail: {
    brand: 'visa',
    last4: '0341',
    does: 'is_declined',
    label: 'can be saved, and is declined when charged',
  },
  pm_card_chargeDeclinedInsufficientFunds: {
    brand: 'visa',
    last4: '9995',
    does: 'lacks_funds',
    label: 'has insufficient funds',
  },
  pm_card_authenticationRequired: {
    brand: 'visa',
    last4: '3184',
    does: 'wants_authentication',
    label: 'wants authentication at each payment',
  },
  pm_card_createDispute: { brand: 'visa', last4: '0259', does: 'is_disputed', label: 'succeeds, and is disputed' },
  pm_card_pendingRefund: {
    brand: 'visa',
    last4: '7726',
    does: 'refunds_later',
    label: 'succeeds; a refund is pending at first',
  },
  pm_card_slow: { brand: 'visa', last4: '0077', does: 'is_slow', label: 'succeeds after a while' },
  pm_card_timeoutAfterEffect: {
    brand: 'visa',
    last4: '0099',
    does: 'loses_the_reply',
    label: 'succeeds, and the reply is lost',
  },
} as const;

export type CardName = keyof typeof cards;

export const isCardName = (name: string): name is CardName => Object.hasOwn(cards, name);
