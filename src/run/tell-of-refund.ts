// A refund or a dispute that has ended: one line in the log, and a count.
import type { Counter } from 'prom-client';
import type { Log } from '../log.ts';
import type { Refund } from '../records.ts';

export function tellOfRefund(ended: Counter<'origin' | 'outcome'>, log: Log): (refund: Refund) => void {
  return ({ environmentId, customerId, topUpId, id, origin, outcome = '', money, failure }) => {
    ended.labels(origin, outcome).inc();
    const of = { environment: environmentId, customer: customerId, top_up: topUpId, refund: id };
    log.info({ ...of, origin, outcome, money, failure: failure?.code }, 'refund');
  };
}
