// Automatic top-ups that are to be seen to: from a crossing to a charge, from its end to the next crossing.
//
//   armed ── told in an entry ── charging ── credited ── armed, under the next number
//                                  │ declined ── backing off 1 h, 4 h ── suspended, until there is another payment method
//                                  │ the bank asks ── requires action, until the customer has been there, or pays in another way
//                                  │ more than the month has left ── capped, until the month turns
//
// Each step reads where it stands and does what follows from that, so that it does not matter who makes it, or how often it
// was broken off. What is charged, is charged as any top-up is (src/payments/top-ups.ts): this only decides that there is one.
import { findAssetRate } from '../db/asset-rates.ts';
import { findAssetByNumber } from '../db/assets.ts';
import {
  beginAttempt,
  claimAutoTopUps,
  endCrossing,
  findAutoTopUp,
  forgetFailures,
  noteArmed,
  noteCrossed,
  noteFailure,
  noteWaiting,
  pendingFor,
} from '../db/auto-top-ups.ts';
import type { Sql } from '../db/connect.ts';
import { findCustomer } from '../db/customers.ts';
import { findTopUp, giveUpTopUp } from '../db/top-ups.ts';
import type { Payments } from '../payments/payments.ts';
import { priceToCharge } from '../pricing/asset-price.ts';
import { amountToBuy, firesBelow } from '../pricing/auto-top-up.ts';
import type { AutoTopUp, AutoTopUpId, TopUp } from '../records.ts';
import { zeroAtoms, type Atoms } from '../units.ts';
import { armTopUp } from '../wallet/arm-top-up.ts';
import { walletOf } from '../wallet/keys.ts';
import { readWallet } from '../wallet/read-wallet.ts';
import type { Store } from '../wallet/store.ts';

export type AutoTopUpParts = {
  sql: Sql;
  store: Store;
  payments: Pick<Payments, 'prepareTopUp' | 'advance'>;
  onError: (error: Error, what: string) => void;
  /** `tookMs`: of what was credited, since the account fell below its bound. */
  onEnd: (end: { auto: AutoTopUp; outcome: Outcome; tookMs?: number }) => void;
};

export type Outcome = 'credited' | 'not_needed' | 'declined' | 'replaced' | 'suspended' | 'capped';

const autoTopUpsMax = 32;
/** From a crossing to the next it takes four. */
const stepsMax = 8;
const soonMs = 2_000;
const pollMs = 15_000;
/** Where only the customer can do something, and something tells us when they have. */
const slowPollMs = 900_000;
const backOffMs = [3_600_000, 4 * 3_600_000];

/** Returns how many were seen to. */
export async function seeToAutoTopUps(parts: AutoTopUpParts): Promise<number> {
  const claimed = await claimAutoTopUps(parts.sql, autoTopUpsMax);
  await Promise.all(
    claimed.map((id) =>
      seeTo(parts, id).catch((error: Error) => parts.onError(error, `the automatic top-up of ${id.customerId}`)),
    ),
  );
  return claimed.length;
}

async function seeTo(parts: AutoTopUpParts, id: AutoTopUpId): Promise<void> {
  for (let step = 1; step <= stepsMax; step += 1) {
    const auto = await findAutoTopUp(parts.sql, id, { withDeleted: true });
    if (!auto || (await takeStep(parts, auto)) === 'rests') return;
  }
}

type Step = 'went_on' | 'rests';

function takeStep(parts: AutoTopUpParts, auto: AutoTopUp): Promise<Step> {
  if (auto.topUp) return follow(parts, auto, auto.topUp);
  const isWaiting = !auto.isEnabled || auto.crossedNo < auto.armedNo;
  return isWaiting ? tellWallet(parts, auto) : charge(parts, auto);
}

/** What has become of the present attempt. */
async function follow(parts: AutoTopUpParts, auto: AutoTopUp, topUp: TopUp): Promise<Step> {
  const { sql, onEnd } = parts;
  switch (topUp.status) {
    case 'pending':
      await noteWaiting(sql, auto, { state: 'charging', lookInMs: pollMs });
      return 'rests';
    case 'requires_action':
      if (await isReplaced(parts, auto, topUp)) return giveUp(parts, topUp);
      await noteWaiting(sql, auto, { state: 'requires_action', lookInMs: slowPollMs });
      return 'rests';
    case 'succeeded':
    case 'refunded':
      if (!topUp.isCredited) {
        await noteWaiting(sql, auto, { state: 'charging', lookInMs: soonMs });
        return 'rests';
      }
      await endCrossing(sql, auto);
      onEnd({ auto, outcome: 'credited', tookMs: Date.now() - (auto.crossedAtMs ?? Date.now()) });
      return 'went_on';
    case 'failed':
    case 'canceled': {
      const { code, message } = topUp.failure ?? { code: 'canceled', message: 'The payment was canceled at Stripe.' };
      if (code === replaced.code) {
        await forgetFailures(sql, auto);
        onEnd({ auto, outcome: 'replaced' });
        return 'went_on';
      }
      const failures = auto.failuresCount + 1;
      const lookInMs = backOffMs[auto.failuresCount];
      const state = lookInMs === undefined ? 'suspended' : 'backing_off';
      await noteFailure(sql, auto, { state, code, message, failures, lookInMs: lookInMs ?? slowPollMs });
      onEnd({ auto, outcome: state === 'suspended' ? 'suspended' : 'declined' });
      // There may be something else to pay with by now.
      return 'went_on';
    }
  }
}

const replaced = {
  code: 'payment_method_replaced',
  message: 'Another payment method takes its place.',
  retryable: true,
};

/** The charge waits for the customer, and they pay in another way by now, or have taken away what it would be paid with. */
async function isReplaced({ payments }: AutoTopUpParts, auto: AutoTopUp, topUp: TopUp): Promise<boolean> {
  if (!auto.isEnabled) return false;
  const found = await payments.prepareTopUp(auto, { payment: 'saved', methodId: auto.methodId });
  return found.status === 'no_method' || (found.status === 'done' && found.value.methodId !== topUp.methodId);
}

/** The next attempt is made once Stripe has said that nothing comes of this one. */
async function giveUp({ sql, payments }: AutoTopUpParts, { environmentId, id }: TopUp): Promise<Step> {
  await giveUpTopUp(sql, environmentId, id, { failure: replaced });
  const topUp = await findTopUp(sql, environmentId, id);
  if (topUp) await payments.advance(topUp);
  return 'went_on';
}

/** The trigger in Redis is armed, or taken away. */
async function tellWallet({ sql, store }: AutoTopUpParts, auto: AutoTopUp): Promise<Step> {
  const { environmentId, customerId, asset, armedNo, isEnabled } = auto;
  // Taken away while a crossing is under way: Redis waits for none.
  if (auto.crossedNo >= armedNo) {
    await noteWaiting(sql, auto, { state: auto.state, lookInMs: slowPollMs });
    return 'rests';
  }
  const target = { ...walletOf(environmentId, customerId), environmentId };
  const trigger = { asset, crossingNo: armedNo, firesBelow: isEnabled ? firesBelow(auto) : zeroAtoms };
  const armed = await armTopUp(store, target, trigger);
  switch (armed.status) {
    case 'armed':
      await noteArmed(sql, auto);
      return 'rests';
    case 'crossed':
      if (isEnabled) await noteCrossed(sql, auto);
      else await noteArmed(sql, auto);
      return isEnabled ? 'went_on' : 'rests';
    case 'no_customer':
    case 'conflict':
    case 'unavailable':
    case 'unknown':
      // It is looked at again when the claim has run out.
      return 'rests';
  }
}

/** Begins an attempt, if one is due, wanted and allowed. */
async function charge(parts: AutoTopUpParts, auto: AutoTopUp): Promise<Step> {
  const { sql, payments, onEnd } = parts;
  const { environmentId, methodId } = auto;
  const found = await payments.prepareTopUp(auto, { payment: 'saved', methodId });
  if (found.status === 'no_method') return suspend(parts, auto, 'no_payment_method', 'There is nothing to pay with.');
  // It is looked at again when the claim has run out.
  if (found.status !== 'done') return 'rests';
  const isOther = found.value.methodId !== auto.failedMethodId;
  if (auto.failuresCount > 0 && isOther) {
    await forgetFailures(sql, auto);
    return 'went_on';
  }
  if (auto.failuresCount > backOffMs.length) return wait(parts, auto, slowPollMs);
  if (auto.state === 'backing_off' && (auto.nextAttemptAtMs ?? 0) > Date.now()) return wait(parts, auto, soonMs);
  const wanted = await whatIsMissing(parts, auto);
  if (wanted === 'unavailable') return 'rests';
  if (wanted === 'frozen') return suspend(parts, auto, 'wallet_frozen', 'The wallet is frozen.', pollMs);
  if (wanted.isEnough) {
    await endCrossing(sql, auto);
    onEnd({ auto, outcome: 'not_needed' });
    return 'went_on';
  }
  // What was given back is not bought again by itself: whoever wants that, asks for it anew.
  if (auto.isHeldOff) return suspend(parts, auto, 'top_up_refunded', 'A top-up was refunded or disputed.');
  // Others bring it. Should they not, that is seen then.
  if (wanted.atoms === zeroAtoms) {
    await noteWaiting(sql, auto, { state: 'charging', lookInMs: soonMs });
    return 'rests';
  }
  const price = await priceOf(parts, auto, wanted.atoms);
  if ('code' in price) return suspend(parts, auto, price.code, price.message);
  const customer = await findCustomer(sql, environmentId, auto.customerId);
  const begun = await beginAttempt(sql, auto, {
    amount: wanted.atoms,
    rate: price.rate,
    currency: price.currency,
    price: price.minor,
    payment: 'saved',
    returnUrl: auto.returnUrl,
    receiptEmail: customer?.email,
    expiresAtMs: undefined,
    metadata: {},
    ...found.value,
  });
  if (begun.status === 'capped') {
    if (auto.state !== 'capped') onEnd({ auto, outcome: 'capped' });
    return 'rests';
  }
  const topUp = begun.status === 'begun' ? await findTopUp(sql, environmentId, begun.topUpId) : undefined;
  // Whatever comes of it stands in the top-up; what is unknown is looked up by whoever looks at those.
  if (topUp) await payments.advance(topUp);
  return 'went_on';
}

async function wait({ sql }: AutoTopUpParts, auto: AutoTopUp, lookInMs: number): Promise<Step> {
  await noteWaiting(sql, auto, { state: auto.state, lookInMs });
  return 'rests';
}

/** Nothing can be charged, which somebody must change. */
async function suspend(
  { sql, onEnd }: AutoTopUpParts,
  auto: AutoTopUp,
  code: string,
  message: string,
  lookInMs = slowPollMs,
): Promise<Step> {
  const failures = auto.failuresCount;
  await noteFailure(sql, auto, { state: 'suspended', code, message, failures, lookInMs });
  if (auto.error?.code !== code) onEnd({ auto, outcome: 'suspended' });
  return 'rests';
}

type Missing = { isEnough: boolean; atoms: Atoms } | 'frozen' | 'unavailable';

async function whatIsMissing({ sql, store }: AutoTopUpParts, auto: AutoTopUp): Promise<Missing> {
  const { environmentId, customerId } = auto;
  const pending = await pendingFor(sql, auto);
  const read = await readWallet(store, { ...walletOf(environmentId, customerId), environmentId });
  if (read.status !== 'wallet') return 'unavailable';
  // Nobody can spend it: that is seen to first.
  if (read.wallet.freeze !== 'none') return 'frozen';
  const account = read.wallet.accounts.find(({ asset }) => asset === auto.asset);
  const balance = account ? account.available - account.scoped - account.overage : 0n;
  return { isEnough: balance >= firesBelow(auto), atoms: amountToBuy(auto, { balance, pending }) };
}

async function priceOf({ sql }: AutoTopUpParts, auto: AutoTopUp, atoms: Atoms) {
  const asset = await findAssetByNumber(sql, auto.environmentId, auto.asset);
  if (!asset) throw new Error(`there is no asset ${auto.asset} in ${auto.environmentId}`);
  const priced = priceToCharge(asset, atoms, await findAssetRate(sql, auto.environmentId, auto.asset));
  if (priced.status === 'no_rate') return { code: 'no_rate', message: `No rate is published for ${asset.code}.` };
  if (priced.status === 'too_large') return { code: 'amount_too_large', message: 'It is more than can be charged.' };
  const { currency } = priced.price;
  return currency === auto.currency
    ? priced.price
    : { code: 'other_currency', message: `It costs ${currency} now, and the limit is in ${auto.currency}.` };
}
