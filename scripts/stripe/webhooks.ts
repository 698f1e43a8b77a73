// Events to the endpoints, signed as Stripe signs them, repeated until they are taken; and what tests may do to them.
//
// Signatures: https://docs.stripe.com/webhooks#verify-manually, made here from that page and checked by the official package.
import { createHmac } from 'node:crypto';
import type Stripe from 'stripe';

/** Two secrets: one is being replaced, and Stripe signs with both. */
export type Endpoint = { url: string; secrets: string[] };

export type Delivery = {
  eventId: string;
  type: string;
  url: string;
  attempts: number;
  /** What the endpoint answered last; 0: it did not. */
  status: number | undefined;
  /** `held` until it is released, `lost` for good. */
  state: 'waiting' | 'held' | 'lost' | 'taken' | 'given_up';
};

export type Faults = {
  /** Nothing is sent until `release`. */
  hold: boolean;
  /** So many of the next events are never sent. */
  lose: number;
  /** Each event is sent so often. */
  copies: number;
  delayMs: number;
};

export type Order = 'as_made' | 'newest_first';

export type Webhooks = {
  endpoints: Endpoint[];
  faults: Faults;
  send: (event: Stripe.Event) => void;
  /** Sends what is held, one after another. */
  release: (order?: Order) => Promise<void>;
  /** Once more, to all endpoints; answers with their statuses. */
  resend: (event: Stripe.Event) => Promise<number[]>;
  deliveries: () => Delivery[];
  /** When nothing is under way any more; what is held does not count. */
  idle: () => Promise<void>;
  stop: () => void;
};

const answerBoundMs = 10_000;

export function openWebhooks(endpoints: Endpoint[], retryDelaysMs: readonly number[]): Webhooks {
  const faults: Faults = { hold: false, lose: 0, copies: 1, delayMs: 0 };
  const all: Delivery[] = [];
  const held: { delivery: Delivery; event: Stripe.Event; endpoint: Endpoint }[] = [];
  const running = new Set<Promise<void>>();
  const stopped = new AbortController();

  const deliver = async (delivery: Delivery, event: Stripe.Event, endpoint: Endpoint, delayMs: number) => {
    delivery.state = 'waiting';
    await pause(delayMs, stopped.signal);
    for (const retryDelayMs of [...retryDelaysMs, undefined]) {
      if (stopped.signal.aborted) return;
      delivery.attempts += 1;
      delivery.status = await post(endpoint, event, stopped.signal);
      if (delivery.status >= 200 && delivery.status < 300) {
        delivery.state = 'taken';
        return;
      }
      if (retryDelayMs !== undefined) await pause(retryDelayMs, stopped.signal);
    }
    delivery.state = 'given_up';
  };
  const start = (...what: Parameters<typeof deliver>): Promise<void> => {
    const run = deliver(...what).finally(() => running.delete(run));
    running.add(run);
    return run;
  };

  return {
    endpoints,
    faults,
    send: (event) => {
      const isLost = faults.lose > 0;
      if (isLost) faults.lose -= 1;
      for (const endpoint of endpoints) {
        for (let copy = 1; copy <= (isLost ? 1 : faults.copies); copy += 1) {
          const state = isLost ? 'lost' : faults.hold ? 'held' : 'waiting';
          const delivery: Delivery = {
            eventId: event.id,
            type: event.type,
            url: endpoint.url,
            attempts: 0,
            status: undefined,
            state,
          };
          all.push(delivery);
          if (state === 'held') held.push({ delivery, event, endpoint });
          if (state === 'waiting') void start(delivery, event, endpoint, faults.delayMs);
        }
      }
    },
    release: async (order = 'as_made') => {
      faults.hold = false;
      const waiting = held.splice(0);
      if (order === 'newest_first') waiting.reverse();
      for (const { delivery, event, endpoint } of waiting) await start(delivery, event, endpoint, 0);
    },
    resend: (event) => Promise.all(endpoints.map((endpoint) => post(endpoint, event, stopped.signal))),
    deliveries: () => all,
    idle: async () => {
      while (running.size > 0) await Promise.all(running);
    },
    stop: () => stopped.abort(),
  };
}

export function signatureOf(payload: string, secrets: readonly string[], timestampSeconds: number): string {
  const made = secrets.map((secret) =>
    createHmac('sha256', secret).update(`${timestampSeconds}.${payload}`).digest('hex'),
  );
  return [`t=${timestampSeconds}`, ...made.map((signature) => `v1=${signature}`)].join(',');
}

async function post(endpoint: Endpoint, event: Stripe.Event, stopped: AbortSignal): Promise<number> {
  const payload = JSON.stringify(event);
  try {
    const reply = await fetch(endpoint.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json; charset=utf-8',
        'stripe-signature': signatureOf(payload, endpoint.secrets, Math.floor(Date.now() / 1_000)),
      },
      body: payload,
      signal: AbortSignal.any([stopped, AbortSignal.timeout(answerBoundMs)]),
    });
    await reply.arrayBuffer();
    return reply.status;
  } catch {
    return 0;
  }
}

function pause(ms: number, stopped: AbortSignal): Promise<void> {
  if (ms === 0 || stopped.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      stopped.removeEventListener('abort', done);
      resolve();
    }
    stopped.addEventListener('abort', done);
  });
}
