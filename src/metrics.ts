// What operators watch: Prometheus metrics of one process, by its role.
//
// Those of several processes are shown as one: sums, but where an `aggregator` says otherwise.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export function gatewayMetrics() {
  const registry = openRegistry('gateway');
  const registers = [registry];
  return {
    registry,
    requests: new Histogram({
      name: 'farebox_request_duration_seconds',
      help: 'Duration of requests, by method, route and status',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
      registers,
    }),
    events: new Counter({
      name: 'farebox_events_total',
      help: 'Events of batches, by answer: charged, duplicate, declined, unpriced, error; and kept, unpriced ones that were new',
      labelNames: ['status'],
      registers,
    }),
    partitionsOpen: new Gauge({
      name: 'farebox_partitions_open',
      help: 'Partitions that take decisions, of 256',
      aggregator: 'min',
      registers,
    }),
    redisClockOffset: new Gauge({
      name: 'farebox_redis_clock_offset_seconds',
      help: "Redis's clock less this process's",
      aggregator: 'average',
      registers,
    }),
    fenced: fencedCounter(registry),
    topUps: topUpCounters(registry),
    refunds: refundsCounter(registry),
    reconcileDifferences: differencesCounter(registry),
    durability: new Gauge({
      name: 'farebox_durability',
      help: 'Durability class that Redis is in: 0 none, 1 fast, 2 durable, 3 replicated',
      aggregator: 'min',
      registers,
    }),
    replicas: new Gauge({
      name: 'farebox_redis_replicas',
      help: 'Replicas of Redis that are online and were heard of lately',
      aggregator: 'min',
      registers,
    }),
    unconfirmedWaits: new Counter({
      name: 'farebox_unconfirmed_waits_total',
      help: 'Waits for a replica that ended without its word: what they covered was answered as unconfirmed',
      registers,
    }),
    memoryShare: new Gauge({
      name: 'farebox_redis_memory_ratio',
      help: 'Memory that Redis uses, of its maxmemory; 0 where that is not limited',
      aggregator: 'max',
      registers,
    }),
    oldestEntryAge: new Gauge({
      name: 'farebox_oldest_entry_age_seconds',
      help: 'Age of the oldest entry that is not in the ledger yet, within seconds',
      aggregator: 'max',
      registers,
    }),
    backpressure: new Gauge({
      name: 'farebox_backpressure',
      help: 'Whether new work is refused, by reason',
      labelNames: ['reason'],
      aggregator: 'max',
      registers,
    }),
  };
}

export function workerMetrics() {
  const registry = openRegistry('worker');
  const registers = [registry];
  return {
    registry,
    entriesDrained: new Counter({
      name: 'farebox_entries_drained_total',
      help: 'Entries stored in the ledger',
      registers,
    }),
    drainDuration: new Histogram({
      name: 'farebox_drain_batch_duration_seconds',
      help: 'Duration of one drain transaction',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    }),
    drainLag: new Gauge({
      name: 'farebox_drain_lag_seconds',
      help: 'Age of the oldest entry that is not in the ledger yet, by lane',
      labelNames: ['lane'],
      aggregator: 'max',
      registers,
    }),
    quarantined: new Counter({
      name: 'farebox_entries_quarantined_total',
      help: 'Entries that did not prove and were set aside: look at once',
      registers,
    }),
    reconciled: new Counter({
      name: 'farebox_reconcile_wallets_total',
      help: 'Wallets that reconcile looked at, by outcome: equal, mended, differs, behind, absent, other_epoch, frozen, quarantined, unreadable',
      labelNames: ['outcome'],
      registers,
    }),
    reconcileDifferences: differencesCounter(registry),
    reconcileProgress: new Gauge({
      name: 'farebox_reconcile_pass_progress_ratio',
      help: 'How far the present pass over all wallets has come',
      aggregator: 'max',
      registers,
    }),
    reconcilePassDuration: new Gauge({
      name: 'farebox_reconcile_pass_duration_seconds',
      help: 'Duration of the last whole pass over all wallets',
      aggregator: 'max',
      registers,
    }),
    recoveries: new Counter({
      name: 'farebox_recoveries_total',
      help: 'Times that Redis was restarted, replaced or flushed, and recovered from the ledger',
      registers,
    }),
    operationsLost: new Gauge({
      name: 'farebox_acknowledged_lost',
      help: 'Entries, at least, that callers were told of and that were lost with Redis, by what it promised: look at once',
      labelNames: ['durability'],
      aggregator: 'max',
      registers,
    }),
    topUps: topUpCounters(registry),
    autoTopUps: new Counter({
      name: 'farebox_auto_top_ups_total',
      help: 'Automatic top-ups, by outcome: credited, not_needed, declined, replaced, suspended, capped',
      labelNames: ['outcome'],
      registers,
    }),
    autoTopUpDuration: new Histogram({
      name: 'farebox_auto_top_up_duration_seconds',
      help: 'From the request that took an account below its bound to the credit',
      buckets: [0.1, 0.25, 0.5, 1, 2, 5, 15, 60, 600, 3600],
      registers,
    }),
    refunds: refundsCounter(registry),
    swept: new Counter({ name: 'farebox_swept_total', help: 'Holds expired and due events applied', registers }),
    fenced: fencedCounter(registry),
  };
}

export type TopUpCounters = ReturnType<typeof topUpCounters>;

/** Wherever Stripe is asked: in gateways for callers, in workers for everything else. */
function topUpCounters(registry: Registry) {
  const registers = [registry];
  return {
    attempts: new Counter({
      name: 'farebox_top_up_attempts_total',
      help: 'Top-ups that Stripe was asked for, by payment (checkout, saved) and origin (request, automatic)',
      labelNames: ['payment', 'origin'],
      registers,
    }),
    ended: new Counter({
      name: 'farebox_top_ups_total',
      help: 'Top-ups that have ended, by payment, origin and outcome (succeeded, failed, canceled)',
      labelNames: ['payment', 'origin', 'outcome'],
      registers,
    }),
    money: new Counter({
      name: 'farebox_top_up_money_total',
      help: "Money that arrived by top-ups, in the currency's smallest unit",
      labelNames: ['currency'],
      registers,
    }),
  };
}

function refundsCounter(registry: Registry): Counter<'origin' | 'outcome'> {
  return new Counter({
    name: 'farebox_refunds_total',
    help: 'Refunds and disputes that have ended, by origin (request, stripe, dispute) and outcome (taken, returned, restored)',
    labelNames: ['origin', 'outcome'],
    registers: [registry],
  });
}

function fencedCounter(registry: Registry): Counter {
  return new Counter({
    name: 'farebox_fenced_total',
    help: 'Calls refused because a partition belongs to another installation or epoch',
    registers: [registry],
  });
}

/** Reconcile's, in a worker; and wherever a wallet is compared because it is used in a new epoch. */
function differencesCounter(registry: Registry): Counter {
  return new Counter({
    name: 'farebox_reconcile_differences_total',
    help: 'Wallets that differed from the ledger at an equal version, and were frozen: look at once',
    registers: [registry],
  });
}

function openRegistry(role: 'gateway' | 'worker'): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ role });
  collectDefaultMetrics({ register: registry, prefix: 'farebox_' });
  new Gauge({ name: 'farebox_processes', help: 'Processes that run', registers: [registry] }).set(1);
  return registry;
}
