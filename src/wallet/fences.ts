// The epochs that this process believes in, and what it has acknowledged in them.
//
// Scripts refuse behind a fence of another epoch (`fenced`), and in a run of Redis that the ledger does not know for that
// epoch (`unverified`, lua/lib/run.lua). Either way the epochs are read again from Postgres, and the run is verified; if
// that does not help, recovery is due or under way, and callers are told to come back.
//
// Each process remembers the highest seq that it acknowledged in each partition, and tells Postgres every second, as far as
// the ledger does not have it yet, and when an epoch ends or looks lost: what was sealed below it has lost acknowledged
// operations. A process that dies together with Redis has told of all but its last second; more cannot be known.
import { partitionsCount } from '../limits.ts';
import type { Nodes } from './nodes.ts';
import { verifier } from './verify-run.ts';

/** `seq`: how far the ledger has it. */
export type EpochRow = { partition: number; epoch: number; seq: number; runId: string | undefined };
export type Acknowledged = { partition: number; epoch: number; seq: number };

export type EpochReader = {
  /** All partitions, in order. */
  readEpochs: () => Promise<EpochRow[]>;
  reportAcknowledged: (rows: Acknowledged[]) => Promise<void>;
};

export type Fences = {
  /** By partition: `<installation uuid>:<epoch>`, compared by every script. */
  fences: string[];
  epochs: number[];
  /** Where scripts refused when this was last looked at: closed, or in a run of Redis that the ledger does not know. */
  unverified: Set<number>;
  /** An operation was answered: its reply named this epoch and seq. */
  acknowledge: (partition: number, epoch: number, seq: number) => void;
  /** A script refused: looks whether there is a new epoch. Resolves when it has looked; several calls at once share one. */
  onFenced: (partition: number) => Promise<void>;
  /** Reads the epochs again, verifies the run, and tells what was acknowledged; call every second: others may have recovered. */
  refresh: () => Promise<EpochRow[]>;
};

// While partitions are closed every call ends here: Postgres is asked no more often than this.
const lookPauseMs = 200;

export async function openFences(options: {
  nodes: Nodes;
  ledger: EpochReader;
  installation: string;
  onFenced: () => void;
  onWarning: (message: string, fields: Record<string, unknown>) => void;
}): Promise<Fences> {
  const { nodes, ledger, installation, onWarning } = options;
  const epochs: number[] = [];
  const unverified = new Set<number>();
  const fences: string[] = [];
  const acknowledged = Array.from({ length: partitionsCount }, () => 0);
  const told = Array.from({ length: partitionsCount }, () => 0);
  // To be told; kept until Postgres has it.
  let news: Acknowledged[] = [];

  const addNews = (partition: number) => {
    const seq = acknowledged[partition]!;
    if (seq > told[partition]!) news.push({ partition, epoch: epochs[partition]!, seq });
    told[partition] = seq;
  };
  const tell = async () => {
    const rows = news;
    news = [];
    await ledger.reportAcknowledged(rows).catch((error: unknown) => {
      news.push(...rows);
      throw error;
    });
  };

  const verify = verifier(nodes);

  const look = async () => {
    const [rows] = await Promise.all([ledger.readEpochs(), nodes.refresh()]);
    if (rows.length !== partitionsCount) throw new Error(`expected ${partitionsCount} epochs, got ${rows.length}`);
    for (const { partition, epoch } of rows.filter((row) => epochs[row.partition] !== row.epoch)) {
      addNews(partition);
      epochs[partition] = epoch;
      fences[partition] = `${installation}:${epoch}`;
      acknowledged[partition] = 0;
      told[partition] = 0;
    }
    const found = await verify.unverified(rows, fences);
    unverified.clear();
    for (const partition of found) unverified.add(partition);
    for (const { partition, seq } of rows) {
      if (unverified.has(partition) || acknowledged[partition]! > seq) addNews(partition);
    }
    if (news.length > 0) await tell();
    return rows;
  };

  let looking: Promise<EpochRow[]> | undefined;
  let lookedAtMs = -Infinity;
  const refresh = (): Promise<EpochRow[]> => {
    looking ??= look().finally(() => {
      looking = undefined;
      lookedAtMs = performance.now();
    });
    return looking;
  };
  await refresh();
  const refreshQuietly = () => refresh().catch((error: Error) => onWarning('reading the epochs failed', { error }));
  // It may be another Redis, or the same one after a restart.
  nodes.onReady(() => {
    verify.doubt();
    void refreshQuietly();
  });
  return {
    fences,
    epochs,
    unverified,
    acknowledge: (partition, epoch, seq) => {
      if (epoch !== epochs[partition]) news.push({ partition, epoch, seq });
      else if (seq > acknowledged[partition]!) acknowledged[partition] = seq;
    },
    onFenced: async () => {
      options.onFenced();
      verify.doubt();
      if (performance.now() - lookedAtMs > lookPauseMs) await refreshQuietly();
    },
    refresh,
  };
}
