// Closed-loop load with autocannon: so many connections, each sends its next request when it has the last answer.
import autocannon from 'autocannon';
import type { Last, Steps } from './requests.ts';

export type Measured = {
  requestsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  sent: number;
  /** Answers that were not expected, by status; `none`: no answer. */
  unexpected: Record<string, number>;
  /** Redis's time in scripts, by request. */
  redisUs: number;
  /** Processor time by request. */
  cpuUs: Record<string, number>;
};

export type LoadOptions = {
  url: string;
  key: string;
  connections: number;
  durationS: number;
  /** What each connection goes through, again and again; undefined in place of a request ends the run. */
  steps: Steps;
  /** Default: 200. */
  expected?: readonly number[];
  onReply?: (body: string) => void;
};

export type Counted = Omit<Measured, 'redisUs' | 'cpuUs'>;

export async function load(options: LoadOptions): Promise<Counted> {
  let exhausted = false;
  let sent = 0;
  const startedMs = performance.now();
  let lastMs = startedMs;
  const { steps, onReply } = options;
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const run = autocannon(
      {
        url: options.url,
        connections: options.connections,
        duration: options.durationS,
        method: 'POST',
        headers: { authorization: `Bearer ${options.key}`, 'content-type': 'application/json' },
        requests: steps.map((step) => ({
          setupRequest: (request, context) => {
            const next = step(context['last'] as Last | undefined);
            if (next) {
              sent += 1;
              context['last'] = { request: next, reply: '' };
              lastMs = performance.now();
              const headers = next.key === undefined ? {} : { 'idempotency-key': next.key };
              return { ...request, path: next.path, body: next.body, headers: { ...request.headers, ...headers } };
            }
            if (!exhausted) {
              exhausted = true;
              run.stop();
            }
            return { ...request, method: 'GET', path: '/livez' };
          },
          // Without it bodies are not put together, which costs.
          ...((steps.length > 1 || onReply) && {
            onResponse: (status: number, body: string, context: autocannon.Context) => {
              (context['last'] as Last).reply = body;
              if (status === 200) onReply?.(body);
            },
          }),
        })),
      },
      (error, done) => (error ? reject(error) : resolve(done)),
    );
  });
  const seconds = exhausted ? (lastMs - startedMs) / 1000 : result.duration;
  return {
    requestsPerSecond: sent / seconds,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    sent,
    unexpected: unexpectedOf(result, options.expected ?? [200]),
  };
}

function unexpectedOf(result: autocannon.Result, expected: readonly number[]): Record<string, number> {
  const others = Object.entries(result.statusCodeStats).filter(([status]) => !expected.includes(Number(status)));
  return {
    ...Object.fromEntries(others.map(([status, { count }]) => [status, count])),
    ...(result.errors > 0 && { none: result.errors }),
  };
}
