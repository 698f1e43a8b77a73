// What Redis promises about what it has acknowledged: read from its configuration and its replicas, compared with what is
// required.
import type { Redis } from 'ioredis';
import { replicaLagMaxSeconds } from '../limits.ts';

export type DurabilityClass = 'none' | 'fast' | 'durable' | 'replicated';
export type RequiredClass = Exclude<DurabilityClass, 'none'>;

export type Durability = { class: DurabilityClass; problems: string[] };

/**
 * `durable`: AOF with appendfsync always. `fast`: AOF with everysec: loses up to two seconds with the machine, and with
 * the process where the disk is busy: Redis answers, and writes no more to its file, while a sync of it is under way. Without AOF a restart loses everything: no class at all. Redis must not evict, either: a wallet that
 * vanishes takes its money along.
 */
export async function readDurability(redis: Redis): Promise<Durability> {
  const settings = await readSettings(redis);
  if (!settings) {
    // Managed services forbid CONFIG; what they do with writes is theirs to say.
    return { class: 'fast', problems: [] };
  }
  const problems: string[] = [];
  const policy = settings.get('maxmemory-policy');
  if (policy !== 'noeviction') {
    problems.push(`Redis evicts keys (maxmemory-policy ${policy}): set it to noeviction`);
  }
  if (settings.get('appendonly') !== 'yes') return { class: 'none', problems };
  return { class: settings.get('appendfsync') === 'always' ? 'durable' : 'fast', problems };
}

/**
 * `replicated`: AOF of either kind, and a replica that writes are waited for. Where they are not, because less is required, a
 * replica promises nothing.
 */
export function withReplicas(durability: Durability, replicas: number, required: RequiredClass): Durability {
  const isReplicated = required === 'replicated' && replicas > 0 && durability.class !== 'none';
  return isReplicated ? { ...durability, class: 'replicated' } : durability;
}

/** Each is at least what the one before it is. */
export const durabilityRank: Record<DurabilityClass, number> = { none: 0, fast: 1, durable: 2, replicated: 3 };

export const lowerClass = (one: DurabilityClass, other: DurabilityClass): DurabilityClass =>
  durabilityRank[one] < durabilityRank[other] ? one : other;

/** What is missing, in words for an operator; empty when Redis is good enough. */
export function durabilityProblems(durability: Durability, required: RequiredClass): string[] {
  if (durabilityRank[durability.class] >= durabilityRank[required]) return durability.problems;
  const fix = {
    fast: 'set appendonly yes',
    durable: 'set appendonly yes and appendfsync always',
    replicated:
      durability.class === 'none'
        ? 'set appendonly yes, and connect a replica'
        : `connect a replica: none is online and has been heard of in the last ${replicaLagMaxSeconds} s`,
  }[required];
  const has = durability.class === 'none' ? 'keeps no append-only file' : `is configured for class ${durability.class}`;
  return [...durability.problems, `Redis ${has}, and FAREBOX_DURABILITY asks for ${required}: ${fix}`];
}

async function readSettings(redis: Redis): Promise<Map<string, string> | undefined> {
  try {
    const flat = await redis.config('GET', 'maxmemory-policy', 'appendonly', 'appendfsync');
    return new Map(Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i]!, flat[2 * i + 1]!]));
  } catch (error) {
    if (error instanceof Error && error.name === 'ReplyError') return undefined;
    throw error;
  }
}
