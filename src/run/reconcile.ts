// `farebox reconcile <customer>`: a wallet in Redis and in the ledger, side by side, and the entries that lie between.
//
// It looks and changes nothing. `--take ledger --yes` ends the difference: the wallet is rebuilt from Postgres, and its freeze
// is lifted (take-ledger.ts). Exit status: 0 they agree, 1 they differ, 2 they could not be compared, or brought together.
import { parseArgs } from 'node:util';
import type { Config } from '../config.ts';
import { listAssets } from '../db/assets.ts';
import { closeDatabase, openDatabase, type Sql } from '../db/connect.ts';
import { listEntriesBetween } from '../db/entries.ts';
import { readPartitions } from '../db/installation.ts';
import { listQuarantined } from '../db/quarantine.ts';
import { loadWallet } from '../db/wallets.ts';
import { openLog } from '../log.ts';
import { decode } from '../outbox/flaw.ts';
import { readOutboxes } from '../outbox/read.ts';
import { connectNodes, sampleClocks, type Nodes } from '../wallet/nodes.ts';
import { comparable } from '../wallet/stored-wallet.ts';
import type { Look, ReconcileStore } from '../worker/reconcile-wallet.ts';
import { connectStore } from './connect-store.ts';
import { entryRecord, entryText } from './entry-text.ts';
import { lookLong } from './look-long.ts';
import { takeLedger } from './take-ledger.ts';
import { sideBySide, type Assets } from './wallet-text.ts';
import { whichCustomer, type NamedCustomer } from './which-customer.ts';

const usage = 'use: farebox reconcile <customer> [--take ledger [--yes]] [--environment <id>]';
const redisWaitMs = 5_000;
const entriesShown = 10;
/** Of one stream: what a partition may have on its way. */
const outboxEntriesMax = 2_000;

type Print = (text: string) => void;
const toStdout: Print = (text) => void process.stdout.write(`${text}\n`);

export async function runReconcile(config: Config, args: string[], print = toStdout): Promise<string | undefined> {
  const parsed = parse(args);
  if (typeof parsed === 'string') return parsed;
  const sql = openDatabase(config.databaseUrl, { connectionsMax: 1, name: 'reconcile' });
  const nodes = connectNodes(config.redisUrl, { onError: () => undefined });
  try {
    const customer = await whichCustomer(sql, parsed);
    if (typeof customer === 'string') return customer;
    if (!(await nodes.waitUntilReady(redisWaitMs))) return 'Redis cannot be reached';
    const status = await show({ sql, nodes, print }, customer);
    if (parsed.take) return await take({ sql, nodes, print }, customer, parsed.isSure);
    if (status === 'unclear') process.exitCode = 2;
    if (status === 'differs') process.exitCode = 1;
    return undefined;
  } catch (error) {
    return `could not compare: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    nodes.disconnect();
    await closeDatabase(sql);
  }
}

type Shown = { sql: Sql; nodes: Nodes; print: Print };

async function show({ sql, nodes, print }: Shown, customer: NamedCustomer): Promise<'agrees' | 'differs' | 'unclear'> {
  const { environmentId, customerId, walletId, partition } = customer;
  print(`customer ${customerId} of env_${environmentId}: wallet ${walletId}, partition ${partition}`);
  const assets: Assets = new Map((await listAssets(sql, environmentId)).map((asset) => [asset.number, asset]));
  const positions = await readPartitions(sql);
  const store: ReconcileStore = {
    nodes,
    epochs: positions.map(({ epoch }) => epoch),
    ledger: { loadWallet: (by) => loadWallet(sql, by) },
  };
  const look = await lookLong(sql, store, customer);
  if (look.status === 'unknown') {
    print('the ledger has no such wallet');
    return 'unclear';
  }
  const waiting = await listQuarantined(sql, environmentId, walletId);
  const redisPicture = 'redis' in look ? look.redis : undefined;
  print('');
  const [there, here] = 'redis' in look ? comparable(look.redis, look.ledger, look.clockMs) : [undefined, look.ledger];
  print(sideBySide(there, here, assets));
  await showEntries({ sql, nodes, print }, customer, look, assets);
  if (waiting.length > 0) {
    print(
      `\nin quarantine: ${waiting.length}, the first ${waiting[0]!.id} (${waiting[0]!.reason}): farebox quarantine`,
    );
  }
  const { freeze } = redisPicture ?? look.ledger;
  if (freeze !== 'none') print(`\nfrozen: ${freeze}`);
  print('');
  return verdict(look, print);
}

async function take(shown: Shown, customer: NamedCustomer, isSure: boolean): Promise<string | undefined> {
  const { sql, nodes, print } = shown;
  const log = openLog('silent', 'reconcile');
  const store = await connectStore({ sql, nodes, log, markDirty: () => {}, onFenced: () => {} });
  await sampleClocks(nodes);
  print("\ntaking the ledger's side");
  const { status, text } = await takeLedger({ sql, store, wallet: customer, isSure, print });
  if (status !== 'taken') return text;
  print(`${text}\n`);
  return (await show(shown, customer)) === 'agrees' ? undefined : 'it went on meanwhile: compare again';
}

function verdict(look: Exclude<Look, { status: 'unknown' }>, print: Print): 'agrees' | 'differs' | 'unclear' {
  switch (look.status) {
    case 'equal':
      if (look.damage.length > 0) {
        print(
          `Redis and the ledger agree at version ${look.redis.version}, but what Redis keeps beside it is DAMAGED, until a worker mends it: ${look.damage.join('; ')}`,
        );
        return 'differs';
      }
      print(`Redis and the ledger agree at version ${look.redis.version}`);
      return 'agrees';
    case 'differs':
      print(`Redis and the ledger DIFFER at version ${look.redis.version}: ${look.differences.join('; ')}`);
      return 'differs';
    case 'behind':
      print(
        `not compared: the ledger is at version ${look.ledger.version}, Redis at ${look.redis.version}, and the entries between have not come`,
      );
      return 'unclear';
    case 'absent':
      print('not compared: Redis does not have this wallet; it is loaded from the ledger when it is next used');
      return 'unclear';
    case 'other_epoch':
      print('not compared: Redis has this wallet from an epoch before; it is compared when it is next used');
      return 'unclear';
    case 'unreadable':
      print(`not compared: what Redis has of this wallet cannot be read: ${look.detail}`);
      return 'unclear';
  }
}

async function showEntries(
  { sql, nodes, print }: Shown,
  { environmentId, walletId, partition }: NamedCustomer,
  look: Exclude<Look, { status: 'unknown' }>,
  assets: Assets,
): Promise<void> {
  const there = 'redis' in look ? look.redis.version : look.ledger.version;
  const here = look.ledger.version;
  // Redis behind: what came after its version. Else the last, and what is on its way.
  const from = there < here ? there + 1 : here - entriesShown + 1;
  const entries = await listEntriesBetween(sql, environmentId, walletId, { from, to: here });
  print(there < here ? '\nin the ledger, after the version that Redis has' : '\nthe last in the ledger');
  for (const entry of entries.slice(-entriesShown)) print(entryText(entry, assets));
  if (entries.length > entriesShown) print(`          and ${entries.length - entriesShown} before them`);
  const [position] = (await readPartitions(sql)).filter((row) => row.partition === partition);
  const { entries: raw } = await readOutboxes(nodes.of(partition).redis, position ? [position] : [], outboxEntriesMax);
  const outbox = raw.flatMap((one) => {
    const decoded = decode(one);
    return decoded.status === 'good' && decoded.entry.entry.walletId === walletId ? [decoded.entry.entry] : [];
  });
  if (outbox.length === 0) return;
  print('\non their way to the ledger');
  for (const entry of outbox) print(entryText(entryRecord(entry), assets));
}

type Asked = { customerId: string; environment: string | undefined; take: boolean; isSure: boolean };

function parse(args: string[]): Asked | string {
  try {
    const { positionals, values } = parseArgs({
      args,
      allowPositionals: true,
      options: { environment: { type: 'string' }, take: { type: 'string' }, yes: { type: 'boolean' } },
    });
    const [customerId, ...rest] = positionals;
    if (customerId === undefined || rest.length > 0) return usage;
    // Redis's side cannot be taken: what has no entry cannot be accounted for.
    if (values.take !== undefined && values.take !== 'ledger') return usage;
    const { environment, take, yes = false } = values;
    return { customerId, environment, take: take !== undefined, isSure: yes };
  } catch (error) {
    return `${(error as Error).message}\n${usage}`;
  }
}
