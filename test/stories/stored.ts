// A wallet as Redis stores it, read field by field (lua/lib/wallet.lua), and what must hold of it at any time.
import { codes } from '../../src/codes.gen.ts';
import { cursor, decodeHold, readBalances, readGrantTerms, readRollover, readScoped } from '../../src/wallet/packed.ts';
import { balances, dueAtMs, spendable, sum, type Balances, type Hold, type World } from '../model/wallet.ts';
import type { Counter } from '../model/counters.ts';
import { readCounters } from './counters.ts';
import { seenHold } from './entries.ts';
import type { LedgerGrant } from './ledger.ts';
import { readUsage, type SeenUsage } from './prices.ts';
import { environment, neighboursDeadline, unpackClock, type StoryWallet } from './wallets.ts';

/** The assets that stories use. */
const assets = [1, 2, 3];

/** `orders`: by scope, 0 for grants that have none; `sums`: of what scoped ones have left. */
type Account = Balances & {
  asset: number;
  scoped: bigint;
  orders: Record<number, number[]>;
  sums: Record<number, bigint>;
};
export type Stored = {
  version: number;
  dueAtMs: number;
  epoch: number;
  openHolds: number;
  liveGrants: number;
  freeze: number;
  environment: string;
  customerId: string;
  accounts: Account[];
  grants: LedgerGrant[];
  holds: Hold[];
  /** Of this wallet: the member without the wallet's id, and the instant. */
  deadlines: [string, number][];
  counters: Record<number, Counter>;
  usage: SeenUsage;
  clock: { seq: number; nowMs: number; epoch: number };
};

export function expectedStored(wallet: StoryWallet, world: World): Stored {
  const { grants, holds, version, freeze } = world.wallet;
  const due = dueAtMs(world.wallet);
  const open = [...holds.values()];
  const deadlines = open.map(({ ref, expiresAtMs }): [string, number] => [ref, expiresAtMs]);
  return {
    ...{ version, dueAtMs: due, epoch: world.epoch, openHolds: holds.size, liveGrants: grants.size },
    ...{ freeze: codes.freeze[freeze], environment, customerId: wallet.customerId },
    accounts: assets.map((asset) => ({
      asset,
      ...balances(world.wallet, asset),
      ...ordersOf(world, asset),
    })),
    grants: [...grants.values()].sort(byNo),
    holds: open.toSorted(byRef),
    deadlines: (due === codes.never_ms ? deadlines : [...deadlines, ['', due] as [string, number]]).sort(byMember),
    counters: Object.fromEntries(world.wallet.counters),
    usage: Object.fromEntries(world.wallet.usage),
    clock: { seq: world.seq, nowMs: world.nowMs, epoch: world.epoch },
  };
}

export function readStored(
  { walletId }: StoryWallet,
  raw: { fields: Buffer[]; holds: Buffer[]; deadlines: Buffer[]; clock: Buffer },
): Stored {
  const fields = new Map(pairs(raw.fields).map(([field, value]) => [String(field), value]));
  const meta = cursor(fields.get('w')!);
  const numbers = (prefix: string) =>
    [...fields.keys()]
      .filter((field) => field.length > 1 && field.startsWith(prefix))
      .map((field) => Number(field.slice(1)));
  return {
    version: meta.whole(),
    dueAtMs: meta.whole(),
    epoch: meta.uint32(),
    openHolds: meta.uint16(),
    liveGrants: meta.uint16(),
    freeze: meta.byte(),
    environment: meta.text(12),
    customerId: String(fields.get('c')),
    accounts: [...new Set([...assets, ...numbers('a')])]
      .sort((a, b) => a - b)
      .map((asset) => readAccount(asset, fields)),
    grants: numbers('t')
      .sort((a, b) => a - b)
      .map((no) => readGrant(no, fields.get(`t${no}`)!, fields.get(`g${no}`), fields.get(`r${no}`))),
    holds: pairs(raw.holds)
      .map(([ref, record]) => seenHold(String(ref), decodeHold(record)))
      .sort(byRef),
    deadlines: pairs(raw.deadlines)
      .map(([member, score]): [string, number] => [String(member), Number(score)])
      .filter(([member]) => member !== neighboursDeadline)
      .map(([member, score]): [string, number] => [member.replace(walletId, ''), score])
      .sort(byMember),
    counters: readCounters(numbers('b').map((no) => ({ name: `b${no}`, packed: fields.get(`b${no}`)! }))),
    usage: readUsage([...fields].map(([name, packed]) => ({ name, packed }))),
    clock: unpackClock(raw.clock),
  };
}

/** What is wrong with a wallet, whatever happened to it. */
export function complaintsOf(stored: Stored): string[] {
  const complaints: string[] = [];
  const demand = (isSo: boolean, what: string) => {
    if (!isSo) complaints.push(what);
  };
  for (const { asset, available, scoped, held, overage, scheduled } of stored.accounts) {
    const grants = stored.grants.filter((grant) => grant.asset === asset);
    const legs = stored.holds.flatMap((hold) => hold.legs).filter((leg) => leg.asset === asset);
    const name = `asset ${asset}:`;
    demand(
      [available, held, overage, scheduled].every((atoms) => atoms >= 0n),
      `${name} a balance is negative`,
    );
    demand(
      available === sum(grants.map(({ remaining }) => remaining)),
      `${name} available is not what grants have left`,
    );
    demand(held === sum(grants.map((grant) => grant.held)), `${name} held is not what grants have in holds`);
    demand(held === sum(legs.map((leg) => leg.held)), `${name} held is not what holds hold`);
    demand(overage === 0n || available === scoped, `${name} owes ${overage} and has ${available - scoped} available`);
    demand(available + held + scheduled <= codes.limit.balance_atoms, `${name} is past the largest balance`);
  }
  for (const { no, amount, remaining, held, state } of stored.grants) {
    demand(remaining >= 0n && held >= 0n && remaining + held <= amount, `grant ${no} is outside its amount`);
    demand(state === 'active' || remaining === 0n, `grant ${no} is ${state} and has ${remaining} left`);
    demand(state === 'scheduled' || remaining + held > 0n, `grant ${no} is empty, and still there`);
  }
  for (const { ref, legs } of stored.holds) {
    for (const { asset, amount, held, taken } of legs) {
      const what = `hold ${ref} holds ${held} of asset ${asset}`;
      demand(held <= amount, `${what}, more than its amount`);
      demand(held === sum(taken.map(({ atoms }) => atoms)), `${what}, from grants another sum`);
    }
  }
  const tags = stored.holds.flatMap((hold) => hold.tags);
  for (const [no, { buckets }] of Object.entries(stored.counters)) {
    for (const { name, held } of buckets) {
      const tagged = tags.filter(({ budgetNo, bucket }) => budgetNo === Number(no) && bucket === name);
      const ofHolds = sum(tagged.map((tag) => tag.held));
      // A bucket that counts no longer keeps what it held until its counter changes.
      demand(held >= ofHolds, `budget ${no} counts ${held} as held, its holds hold ${ofHolds}`);
    }
  }
  demand(stored.openHolds === stored.holds.length, 'the number of open holds is wrong');
  demand(stored.liveGrants === stored.grants.length, 'the number of grants is wrong');
  return complaints;
}

function ordersOf({ wallet }: World, asset: number): Pick<Account, 'scoped' | 'orders' | 'sums'> {
  const [orders, sums]: [Account['orders'], Account['sums']] = [{}, {}];
  const all = spendable(wallet, asset, 'all');
  for (const { no, scope, remaining } of all) {
    (orders[scope] ??= []).push(no);
    if (scope > 0) sums[scope] = (sums[scope] ?? 0n) + remaining;
  }
  return { scoped: sum(Object.values(sums)), orders, sums };
}

function readAccount(asset: number, fields: ReadonlyMap<string, Buffer>): Account {
  const none = { available: 0n, held: 0n, overage: 0n, scheduled: 0n };
  const packed = fields.get(`a${asset}`);
  const [orders, sums]: [Account['orders'], Account['sums']] = [{}, {}];
  for (const [field, order] of fields) {
    const [, scope = '0'] = new RegExp(`^o${asset}(?:\\.(\\d+))?$`).exec(field) ?? [undefined, ''];
    if (scope === '') continue;
    const from = cursor(order);
    if (scope !== '0') sums[Number(scope)] = from.atoms();
    const numbers: number[] = [];
    while (!from.atEnd()) numbers.push(from.uint32());
    if (scope !== '0' || numbers.length > 0) orders[Number(scope)] = numbers;
  }
  const scoped = packed ? readScoped(cursor(packed)) : 0n;
  return { asset, ...(packed ? readBalances(cursor(packed)) : none), scoped, orders, sums };
}

function readGrant(no: number, terms: Buffer, packed: Buffer | undefined, rolls: Buffer | undefined): LedgerGrant {
  const from = packed && cursor(packed);
  const found = rolls && readRollover(cursor(rolls));
  const rollover = found && {
    ...{ parts: BigInt(found.parts), most: found.most },
    untilMs: found.untilMs ?? codes.never_ms,
  };
  return { no, ...readGrantTerms(cursor(terms)), remaining: from?.atoms() ?? 0n, held: from?.atoms() ?? 0n, rollover };
}

function pairs(list: Buffer[]): [Buffer, Buffer][] {
  return list.flatMap((first, index) => (index % 2 === 0 ? [[first, list[index + 1]!] as [Buffer, Buffer]] : []));
}

const byNo = (a: { no: number }, b: { no: number }) => a.no - b.no;
const byRef = (a: { ref: string }, b: { ref: string }) => (a.ref < b.ref ? -1 : 1);
const byMember = ([a]: [string, number], [b]: [string, number]) => (a < b ? -1 : 1);
