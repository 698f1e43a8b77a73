// A top-up that Stripe is asked for, and one that has ended: counts, and one line in the log for its end.
import type { Log } from '../log.ts';
import type { TopUpCounters } from '../metrics.ts';
import type { TopUp } from '../records.ts';

export type TopUpNews = { topUp: TopUp; what: 'asked' | 'succeeded' | 'failed' | 'canceled' };

export function tellOfTopUp(counters: TopUpCounters, log: Log): (news: TopUpNews) => void {
  return ({ topUp, what }) => {
    const { environmentId, customerId, id, payment, crossingNo, currency, price, paid, failure } = topUp;
    const origin = crossingNo === undefined ? 'request' : 'automatic';
    if (what === 'asked') {
      counters.attempts.labels(payment, origin).inc();
      return;
    }
    counters.ended.labels(payment, origin, what).inc();
    const money = what === 'succeeded' ? paid : price;
    if (what === 'succeeded') counters.money.labels(currency).inc(money);
    const of = { environment: environmentId, customer: customerId, top_up: id, payment, origin };
    log.info({ ...of, outcome: what, currency, money, failure: failure?.code }, 'top-up');
  };
}
