// Lets scripts decide behind each fence whose run of Redis is the ledger's (lua/lib/run.lua).
import { call } from './call.ts';
import type { EpochRow } from './fences.ts';
import { fenceKey } from './keys.ts';
import type { Node, Nodes } from './nodes.ts';
import { verifyRunScript } from './scripts.gen.ts';

export function verifier(nodes: Nodes) {
  /** By partition: where, and behind which fence, its scripts were let decide. */
  let verified: ({ node: Node; fence: string } | undefined)[] = [];

  const verifyOne = async (node: Node, { partition, runId }: EpochRow, fence: string) => {
    const keys = { fenceKey: fenceKey(partition) };
    const { status } = await call(node.redis, verifyRunScript, keys, { fence, runId: runId ?? 'none' });
    verified[partition] = status === 'verified' ? { node, fence } : undefined;
    return status;
  };
  const isVerified = (node: Node, { partition }: EpochRow, fence: string) =>
    verified[partition]?.node === node && verified[partition].fence === fence;

  /** Of those that share a node and a fence, and with that a run. */
  const unverifiedOf = async (node: Node, fence: string, rows: readonly EpochRow[]): Promise<number[]> => {
    // One that was verified speaks for the others that were: a run that ends forgets all of them.
    const [witness] = rows.filter((row) => isVerified(node, row, fence));
    const stands = witness !== undefined && (await verifyOne(node, witness, fence)) === 'verified';
    const asked = stands ? rows.filter((row) => !isVerified(node, row, fence)) : rows;
    const statuses = await Promise.all(asked.map((row) => verifyOne(node, row, fence)));
    return asked.filter((_, i) => statuses[i] !== 'verified').map(({ partition }) => partition);
  };

  return {
    /** A script refused, or a connection was lost: ask for each of them. */
    doubt: () => {
      verified = [];
    },
    /** Partitions that are in another run than the ledger knows, closed, or out of reach. */
    unverified: async (rows: readonly EpochRow[], fences: readonly string[]): Promise<number[]> => {
      const groups = new Map<Node, Map<string, EpochRow[]>>();
      for (const row of rows) {
        const node = nodes.of(row.partition);
        const fence = fences[row.partition]!;
        const byFence = groups.get(node) ?? new Map<string, EpochRow[]>();
        groups.set(node, byFence.set(fence, [...(byFence.get(fence) ?? []), row]));
      }
      const found = await Promise.all(
        [...groups].flatMap(([node, byFence]) =>
          [...byFence].map(([fence, ofFence]) => unverifiedOf(node, fence, ofFence)),
        ),
      );
      return found.flat();
    },
  };
}
