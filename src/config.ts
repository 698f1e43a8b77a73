// What the environment says, parsed once; every variable is in README's table.
import { z } from 'zod';
import { processesMax } from './limits.ts';
import type { StripeSettings } from './records.ts';

const text = z.string().trim().min(1);
const unsetWhenEmpty = (value: unknown) => (typeof value === 'string' && value.trim() === '' ? undefined : value);
const optional = <T extends z.ZodType>(schema: T) => z.preprocess(unsetWhenEmpty, schema.optional());

// A list, with room for the one that is being replaced.
const secrets = text.transform((value) =>
  value
    .split(',')
    .map((secret) => secret.trim())
    .filter(Boolean),
);

const schema = z
  .object({
    HOST: z.preprocess(unsetWhenEmpty, text.default('127.0.0.1')),
    PORT: z.preprocess(unsetWhenEmpty, z.coerce.number().int().min(0).max(65_535).default(3000)),
    DATABASE_URL: text,
    REDIS_URL: text,
    QUEUE_REDIS_URL: optional(text.regex(/^[^,]*$/, 'name one Redis, not the nodes of a cluster')),
    FAREBOX_BOOTSTRAP_KEY: optional(text.min(24).startsWith('fb_test_')),
    FAREBOX_ADMIN_PASSWORD: optional(text),
    FAREBOX_DURABILITY: z.preprocess(unsetWhenEmpty, z.enum(['fast', 'durable', 'replicated']).default('fast')),
    // Of test mode, since the environment that they are for is.
    STRIPE_SECRET_KEY: optional(text.regex(/^(sk|rk)_test_\S+$/)),
    STRIPE_WEBHOOK_SECRET: optional(secrets),
    STRIPE_API_BASE: optional(z.url({ protocol: /^https?$/ })),
    STRIPE_TAX: z.preprocess(unsetWhenEmpty, z.enum(['on', 'off']).default('off')),
    FAREBOX_PROCESSES: z.preprocess(unsetWhenEmpty, z.coerce.number().int().min(1).max(processesMax).default(1)),
    LOG_LEVEL: z.preprocess(
      unsetWhenEmpty,
      z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
    ),
  })
  .refine((read) => read.QUEUE_REDIS_URL !== undefined || !read.REDIS_URL.includes(','), {
    path: ['QUEUE_REDIS_URL'],
    message:
      'name a Redis for the queues, since they do not work in a Redis Cluster, which REDIS_URL names the nodes of',
  });

export type Config = {
  host: string;
  port: number;
  databaseUrl: string;
  redisUrl: string;
  queueRedisUrl: string;
  bootstrapKey: string | undefined;
  adminPassword: string | undefined;
  durability: 'fast' | 'durable' | 'replicated';
  /** Of a gateway or a worker: more than one have a parent. */
  processes: number;
  logLevel: string;
  /** Of the default test environment. */
  stripe?: StripeSettings | undefined;
};

/** The configuration, or one line for each variable that is missing or wrong; never a value, which may be a secret. */
export function readConfig(
  env: Record<string, string | undefined>,
): { status: 'ok'; config: Config } | { status: 'wrong'; problems: string[] } {
  const parsed = schema.safeParse(env);
  if (!parsed.success) {
    return {
      status: 'wrong',
      problems: parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`),
    };
  }
  const read = parsed.data;
  return {
    status: 'ok',
    config: {
      host: read.HOST,
      port: read.PORT,
      databaseUrl: read.DATABASE_URL,
      redisUrl: read.REDIS_URL,
      queueRedisUrl: read.QUEUE_REDIS_URL ?? read.REDIS_URL,
      bootstrapKey: read.FAREBOX_BOOTSTRAP_KEY,
      adminPassword: read.FAREBOX_ADMIN_PASSWORD,
      durability: read.FAREBOX_DURABILITY,
      processes: read.FAREBOX_PROCESSES,
      logLevel: read.LOG_LEVEL,
      stripe: read.STRIPE_SECRET_KEY === undefined ? undefined : stripeOf(read, read.STRIPE_SECRET_KEY),
    },
  };
}

function stripeOf(read: z.output<typeof schema>, secretKey: string): StripeSettings {
  return {
    secretKey,
    webhookSecrets: read.STRIPE_WEBHOOK_SECRET ?? [],
    apiBase: read.STRIPE_API_BASE,
    addsTax: read.STRIPE_TAX === 'on',
    mode: 'test',
  };
}
