// Closed-loop load with autocannon: so many connections, each sends its next request when it has the last answer.
import autocannon from 'autocannon';

export type Request = { path: string; body: string };

export type Measured = {
  requestsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  non2xx: number;
  sent: number;
  /** Redis's time in scripts, by request. */
  redisUs: number;
};

export type LoadOptions = {
  url: string;
  key: string;
  connections: number;
  durationS: number;
  /** Called for each request; undefined ends the run. */
  next: () => Request | undefined;
  onReply?: (status: number, body: string) => void;
  /** Redis's time in scripts so far. */
  redisUs: () => Promise<number>;
};

export async function load(options: LoadOptions): Promise<Measured> {
  let exhausted = false;
  let sent = 0;
  const redisUsBefore = await options.redisUs();
  const startedMs = performance.now();
  let lastMs = startedMs;
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const run = autocannon(
      {
        url: options.url,
        connections: options.connections,
        duration: options.durationS,
        method: 'POST',
        headers: { authorization: `Bearer ${options.key}`, 'content-type': 'application/json' },
        requests: [
          {
            setupRequest: (request) => {
              const next = options.next();
              if (next) {
                sent += 1;
                lastMs = performance.now();
                return { ...request, path: next.path, body: next.body };
              }
              if (!exhausted) {
                exhausted = true;
                run.stop();
              }
              return { ...request, method: 'GET', path: '/livez' };
            },
            onResponse: (status, body) => options.onReply?.(status, body),
          },
        ],
      },
      (error, done) => (error ? reject(error) : resolve(done)),
    );
  });
  const seconds = exhausted ? (lastMs - startedMs) / 1000 : result.duration;
  return {
    requestsPerSecond: sent / seconds,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    non2xx: result.non2xx,
    sent,
    redisUs: ((await options.redisUs()) - redisUsBefore) / sent,
  };
}
