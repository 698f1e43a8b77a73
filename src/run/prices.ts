// `farebox prices import|diff <product>`: a product's prices from a list of what models cost, as a draft, or only shown.
//
// It speaks to Postgres alone: a draft is priced by nobody. Publishing is the API's, whose reply says that it is in force.
// docs/model-prices.md says what becomes of the list.
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prices as pricesShape } from '../api/price-schema.ts';
import type { Config } from '../config.ts';
import type { Price, UnitPrice } from '../contract.ts';
import { listAssets } from '../db/assets.ts';
import { closeDatabase, openDatabase, type Sql } from '../db/connect.ts';
import { listEnvironments } from '../db/environments.ts';
import { createProduct, createVersion, findProduct, findVersion } from '../db/products.ts';
import { type ListFlaw, readModelList } from '../pricing/model-list.ts';
import { modelPrices } from '../pricing/model-prices.ts';
import { changesText, priceChanges } from '../pricing/price-changes.ts';
import { readPrices } from '../pricing/read-prices.ts';
import { parsePricesArgs, type PricesCommand } from './prices-args.ts';

type Print = (text: string) => void;
const toStdout: Print = (text) => void process.stdout.write(`${text}\n`);

export async function runPrices(config: Config, args: string[], print = toStdout): Promise<string | undefined> {
  const command = parsePricesArgs(args);
  if (typeof command === 'string') return command;
  const made = fromList(command, print);
  if (typeof made === 'string') return made;
  const sql = openDatabase(config.databaseUrl, { connectionsMax: 1, name: 'prices' });
  try {
    const environments = await listEnvironments(sql);
    const id = command.environment?.replace(/^env_/, '');
    const environment = id === undefined ? environments[0] : environments.find((one) => one.id === id);
    if (!environment) return `there is no environment ${command.environment ?? 'yet: run farebox migrate'}`;
    return await intoProduct({ sql, environmentId: environment.id, print }, command, made);
  } finally {
    await closeDatabase(sql);
  }
}

function fromList(command: PricesCommand, print: Print): UnitPrice[] | string {
  const json = readJson(command.file ?? ownList());
  if (typeof json === 'string') return json;
  const list = readModelList(json.value);
  if (list.status === 'no_list') return `the list ${list.message}`;
  const made = modelPrices(list, command.options);
  if (made.status === 'refused') {
    return ['nothing was taken from the list:', ...made.flaws.map((flaw) => `  ${named(flaw)}${flaw.message}`)].join(
      '\n',
    );
  }
  for (const { provider, model, parts } of made.free) {
    const what = command.options.isFreeAllowed ? 'free' : 'free, and so left out (--allow-free takes it)';
    print(`${provider}/${model}: ${parts.join(' and ')} ${parts.length === 1 ? 'is' : 'are'} ${what}`);
  }
  for (const line of notesText(made.notes)) print(line);
  if (made.prices.length === 0) return 'no price is left';
  const shaped = pricesShape.safeParse(made.prices);
  if (shaped.success) return made.prices;
  return shaped.error.issues.map(({ path, message }) => `prices.${path.join('.')} ${message}`).join('\n');
}

/** `data/` lies beside `src/`, and the compiled code one folder deeper. */
function ownList(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); dirname(folder) !== folder; folder = dirname(folder)) {
    const list = join(folder, 'data', 'model-prices.json');
    if (existsSync(list)) return list;
  }
  throw new Error('data/model-prices.json is missing above this file');
}

function readJson(path: string): { value: unknown } | string {
  try {
    return { value: JSON.parse(readFileSync(path, 'utf8')) as unknown };
  } catch (error) {
    return `${path} cannot be read: ${(error as Error).message}`;
  }
}

function named({ provider, model }: ListFlaw): string {
  return provider === '' ? '' : `${provider}/${model}: `;
}

const namesShown = 3;

/** What was said of many models, once. */
function notesText(notes: readonly ListFlaw[]): string[] {
  const models = new Map<string, string[]>();
  for (const { provider, model, message } of notes) {
    models.set(message, [...(models.get(message) ?? []), `${provider}/${model}`]);
  }
  return [...models].map(([message, names]) => {
    const more = names.length > namesShown ? ` and ${names.length - namesShown} more` : '';
    return `${message}: ${names.slice(0, namesShown).join(', ')}${more}`;
  });
}

type Place = { sql: Sql; environmentId: string; print: Print };

async function intoProduct(place: Place, command: PricesCommand, prices: UnitPrice[]): Promise<string | undefined> {
  const { sql, environmentId, print } = place;
  const assets = new Map((await listAssets(sql, environmentId)).map((asset) => [asset.code, asset]));
  const read = readPrices(prices, assets);
  if (read.status === 'refused') return read.errors.map(({ path, message }) => `${path} ${message}`).join('\n');

  const { productId } = command;
  const product = await findProduct(sql, environmentId, productId);
  if (product && (command.isDefault || command.name !== undefined)) {
    return `product ${productId} exists: --default and --name are for a new one`;
  }
  const version = product?.publishedVersion;
  const published = version === undefined ? undefined : await findVersion(sql, environmentId, { productId, version });
  if (published) {
    const changes = priceChanges(published.prices, prices);
    for (const line of changesText(changes)) print(line);
    if (changes.added.length + changes.removed.length + changes.changed.length === 0) {
      print(`nothing differs from version ${published.version}, which is published`);
      return undefined;
    }
  } else {
    print(`${prices.length} prices; nothing of product ${productId} is published that they could differ from`);
  }
  return command.action === 'diff' ? undefined : makeDraft(place, command, prices, product !== undefined);
}

async function makeDraft(
  { sql, environmentId, print }: Place,
  { productId, name, isDefault }: PricesCommand,
  prices: Price[],
  isKnown: boolean,
): Promise<string | undefined> {
  const asked = { prices, operationId: `prices import ${randomUUID()}`, fingerprint: '-' };
  let version = 1;
  if (isKnown) {
    const made = await createVersion(sql, environmentId, productId, asked);
    if (!('version' in made)) return `product ${productId} cannot be given a version: ${made.status}`;
    version = made.version.version;
  } else {
    const made = await createProduct(sql, environmentId, {
      id: productId,
      name: name ?? productId,
      isDefault,
      ...asked,
    });
    if (!('product' in made)) return `product ${productId} cannot be made: ${made.status}`;
  }
  print(
    `version ${version} of product ${productId} is a draft; POST /v1/products/${productId}/versions/${version}/publish`,
  );
  return undefined;
}
