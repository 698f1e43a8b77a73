// The wallet store of a process: Redis, with the ledger behind it for what Redis has let go of.
import type { Sql } from '../db/connect.ts';
import { findHold } from '../db/holds.ts';
import { readEpochs, reportAcknowledged } from '../db/epochs.ts';
import { installationOf, readCheckpoint } from '../db/installation.ts';
import { operationFinder } from '../db/operations.ts';
import { loadWallet, readWalletVersion } from '../db/wallets.ts';
import type { Log } from '../log.ts';
import type { Nodes } from '../wallet/nodes.ts';
import { openStore, type Store } from '../wallet/store.ts';

const connectTimeoutMs = 10_000;

export async function connectStore(options: {
  sql: Sql;
  nodes: Nodes;
  log: Log;
  markDirty: Store['markDirty'];
  onFenced: () => void;
  onDifference?: () => void;
}): Promise<Store> {
  const { sql, nodes, log } = options;
  if (!(await nodes.waitUntilReady(connectTimeoutMs))) log.warn('Redis cannot be reached yet: refusing until it can');
  return openStore({
    nodes,
    installation: await installationOf(sql),
    markDirty: options.markDirty,
    onFenced: options.onFenced,
    onWarning: (message, fields) => log.warn(fields, message),
    onDifference: options.onDifference ?? (() => undefined),
    ledger: {
      loadWallet: (by) => loadWallet(sql, by),
      walletVersion: (environmentId, walletId) => readWalletVersion(sql, environmentId, walletId),
      readEpochs: () => readEpochs(sql),
      reportAcknowledged: (rows) => reportAcknowledged(sql, rows),
      findOperation: operationFinder(sql),
      readCheckpoint: (partition) => readCheckpoint(sql, partition),
      findHold: (environmentId, walletId, ref) => findHold(sql, environmentId, walletId, ref),
    },
  });
}
