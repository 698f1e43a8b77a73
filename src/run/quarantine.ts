// `farebox quarantine`: look at what the ledger did not take, try it again, or decide that it never will be.
//
// Exit status: 0 done; 1 something of what was asked for stays in quarantine; 2 it could not be done.
import { parseArgs } from 'node:util';
import type { Config } from '../config.ts';
import { listAssets } from '../db/assets.ts';
import { closeDatabase, openDatabase, type Sql } from '../db/connect.ts';
import { listEntries, listEntriesBetween } from '../db/entries.ts';
import { readInQuarantine } from '../db/rebuild.ts';
import {
  findQuarantined,
  listQuarantine,
  listQuarantined,
  rejectEntries,
  type QuarantineRow,
} from '../db/quarantine.ts';
import type { EntryRecord } from '../records.ts';
import { partitionOf } from '../wallet/keys.ts';
import { entryText } from './entry-text.ts';
import { groupText, rowText } from './quarantine-text.ts';
import { rebuild, replay } from './replay.ts';
import type { Assets } from './wallet-text.ts';
import { whichCustomer } from './which-customer.ts';

const usage =
  'use: farebox quarantine list, show <id>, replay <id or customer>, or reject <id or customer> --yes\n' +
  '     --environment <id> says whose customer; --customer <id> names one whose id is a number';

type Print = (text: string) => void;
const toStdout: Print = (text) => void process.stdout.write(`${text}\n`);
/** Entries of the ledger on each side of the one that is shown. */
const neighbours = 3;

type Asked = {
  action: string | undefined;
  id: number | undefined;
  customer: string | undefined;
  environment: string | undefined;
  isSure: boolean;
};
type Wallet = { environmentId: string; walletId: string; partition: number };

export async function runQuarantine(config: Config, args: string[], print = toStdout): Promise<string | undefined> {
  const asked = parse(args);
  if (typeof asked === 'string') return asked;
  const sql = openDatabase(config.databaseUrl, { connectionsMax: 1, name: 'quarantine' });
  try {
    if (asked.action === 'list') return await list(sql, print);
    if (asked.id === undefined && asked.customer === undefined) return usage;
    if (asked.action === 'show') return await show(sql, asked, print);
    const subject = await subjectOf(sql, asked);
    if (typeof subject === 'string') return subject;
    if (asked.action === 'reject') return await reject({ config, sql, print }, subject, asked.isSure);
    if (!subject.wallet) return `entry ${asked.id} says of no wallet whose it is: it can only be rejected`;
    const { status, text } = await replay({ config, sql, print }, subject.wallet);
    print(text);
    if (status === 'stays') process.exitCode = 1;
    return undefined;
  } catch (error) {
    return `could not be done: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    await closeDatabase(sql);
  }
}

async function list(sql: Sql, print: Print): Promise<undefined> {
  const groups = await listQuarantine(sql);
  if (groups.length === 0) print('nothing is in quarantine');
  for (const group of groups) print(groupText(group));
}

async function show(sql: Sql, { id }: Asked, print: Print): Promise<string | undefined> {
  if (id === undefined) return usage;
  const row = await findQuarantined(sql, id);
  if (!row) return `there is no entry ${id} in quarantine`;
  const { environmentId, walletId, version } = row;
  const known = environmentId === null ? [] : await listAssets(sql, environmentId);
  const assets: Assets = new Map(known.map((asset) => [asset.number, asset]));
  print(rowText(row, assets));
  if (environmentId === null || walletId === null) return undefined;
  const entries =
    version === null
      ? await listLast(sql, environmentId, walletId)
      : await listEntriesBetween(sql, environmentId, walletId, {
          from: version - neighbours,
          to: version + neighbours,
        });
  print(`\nin the ledger, ${version === null ? 'the last' : 'beside it'}`);
  for (const entry of entries) print(entryText(entry, assets));
  const waiting = await listQuarantined(sql, environmentId, walletId);
  print(`\nin quarantine of this wallet: ${waiting.map((one) => one.id).join(', ') || 'nothing'}`);
  return undefined;
}

async function listLast(sql: Sql, environmentId: string, walletId: string): Promise<EntryRecord[]> {
  const all = { asset: undefined, kind: undefined, fromMs: undefined, toMs: undefined };
  const listed = await listEntries(sql, environmentId, walletId, all, { limit: neighbours, cursor: undefined });
  return listed === 'bad_cursor' ? [] : listed.items.reverse();
}

/** What waits of the wallet that is named; or one entry that is nobody's. */
type Subject = { wallet: Wallet | undefined; rows: QuarantineRow[]; from: number | undefined };

async function subjectOf(sql: Sql, { id, customer, environment }: Asked): Promise<Subject | string> {
  if (id === undefined) {
    const named = await whichCustomer(sql, { customerId: customer ?? '', environment });
    if (typeof named === 'string') return named;
    const rows = await listQuarantined(sql, named.environmentId, named.walletId);
    return { wallet: named, rows, from: rows[0]?.id };
  }
  const row = await findQuarantined(sql, id);
  if (!row) return `there is no entry ${id} in quarantine`;
  const { environmentId, walletId } = row;
  if (environmentId === null || walletId === null) return { wallet: undefined, rows: [row], from: id };
  const wallet = { environmentId, walletId, partition: partitionOf(walletId) };
  return { wallet, rows: await listQuarantined(sql, environmentId, walletId), from: id };
}

/**
 * An entry, and what follows it in its wallet: a version that is missing is never made up for by a later one. Then Redis is
 * ahead of what the ledger will ever have, so the wallet is rebuilt; a run that was ended there is finished by the next.
 */
async function reject(
  stores: { config: Config; sql: Sql; print: Print },
  { wallet, rows, from }: Subject,
  isSure: boolean,
): Promise<string | undefined> {
  const { sql, print } = stores;
  const first = rows.findIndex((row) => row.id === from);
  const ids = first < 0 ? [] : rows.slice(first).flatMap(({ id, resolvedAt }) => (resolvedAt === null ? [id] : []));
  const isMarked = wallet !== undefined && (await readInQuarantine(sql, wallet)).isMarked;
  if (ids.length === 0 && !isMarked) return 'nothing of this waits in quarantine';
  const what = `${ids.length} ${ids.length === 1 ? 'entry' : 'entries'} (${ids.slice(0, 10).join(', ')}${ids.length > 10 ? ' …' : ''})`;
  if (!isSure) {
    return ids.length === 0
      ? 'all was rejected; this rebuilds the wallet from the ledger: say --yes'
      : `this gives up ${what} for ever: say --yes`;
  }
  if (ids.length > 0) print(`${await rejectEntries(sql, ids)} rejected, and kept`);
  if (!wallet) return undefined;
  const { status, text } = await rebuild(stores, wallet);
  print(text);
  if (status !== 'taken') process.exitCode = 1;
  return undefined;
}

function parse(args: string[]): Asked | string {
  try {
    const { positionals, values } = parseArgs({
      args,
      allowPositionals: true,
      options: { environment: { type: 'string' }, customer: { type: 'string' }, yes: { type: 'boolean' } },
    });
    const [action, subject, ...rest] = positionals;
    if (rest.length > 0 || !['list', 'show', 'replay', 'reject'].includes(action ?? '')) return usage;
    const isId = subject !== undefined && /^[0-9]{1,15}$/.test(subject);
    return {
      action,
      id: isId ? Number(subject) : undefined,
      customer: values.customer ?? (isId ? undefined : subject),
      environment: values.environment,
      isSure: values.yes === true,
    };
  } catch (error) {
    return `${(error as Error).message}\n${usage}`;
  }
}
