// What the demo is told on the command line and by the environment, parsed once.
import { parseArgs } from 'node:util';
import { advice } from '../stores/advice.ts';

export type DemoOptions = {
  /** How many times faster than it happened; `max`: each request as soon as there is room for it. */
  readonly speed: number | 'max';
  readonly requestsMax: number;
  readonly customers: number;
  /** Requests under way at the same time, their model's pauses included. */
  readonly concurrency: number;
  readonly traceFile: string;
  /** Null: the demo starts its own. */
  readonly gateway: { readonly baseUrl: string; readonly apiKey: string } | null;
};

export const usage = `npm run demo -- [options]

  --speed N        times real pace: 1 takes an hour, default 40; max: as fast as it goes
  --limit N        the first N requests only
  --customers N    default 300
  --concurrency N  requests under way at the same time, default 64
  --trace FILE     default data/azure-llm-trace-conv.csv
  --url URL        a gateway that runs already, or FAREBOX_URL; default: starts its own
  --key KEY        its key, with scopes authorize, read, credit, catalog; or FAREBOX_KEY`;

const flags = {
  speed: { type: 'string', default: '40' },
  limit: { type: 'string', default: '1000000' },
  customers: { type: 'string', default: '300' },
  concurrency: { type: 'string', default: '64' },
  trace: { type: 'string', default: 'data/azure-llm-trace-conv.csv' },
  url: { type: 'string' },
  key: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** Null: asked for help. */
export function readOptions(args: readonly string[], env: NodeJS.ProcessEnv): DemoOptions | null {
  const { values } = parse(args);
  if (values.help) return null;
  const baseUrl = values.url ?? env['FAREBOX_URL'];
  const apiKey = values.key ?? env['FAREBOX_KEY'];
  if (baseUrl && !apiKey) throw advice(`which key for ${baseUrl}? --key or FAREBOX_KEY`);
  return {
    speed: values.speed === 'max' ? 'max' : number('speed', values.speed, 0.01, 100_000),
    requestsMax: Math.floor(number('limit', values.limit, 1, 1_000_000)),
    customers: Math.floor(number('customers', values.customers, 1, 100_000)),
    concurrency: Math.floor(number('concurrency', values.concurrency, 1, 2_000)),
    traceFile: values.trace,
    gateway: baseUrl && apiKey ? { baseUrl, apiKey } : null,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: flags, strict: true });
  } catch (error) {
    throw advice(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  }
}

function number(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= min && value <= max)) {
    throw advice(`--${name} is ${text}: give a number from ${min} to ${max}`);
  }
  return value;
}
