// The campaign checks Farebox; this checks the campaign: histories made by hand, each with one thing wrong, and one real run.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { check, type History } from '../scripts/faults/check/check.ts';
import type { MayLose } from '../scripts/faults/check/kept.ts';
import type { LedgerEntry } from '../scripts/faults/check/ledger-entry.ts';
import { checkReported } from '../scripts/faults/check/reported.ts';
import { operationIdOf, verdictOf, type Attempt, type Body, type Request } from '../scripts/faults/history.ts';
import { openPostgres } from '../scripts/faults/postgres.ts';
import { tryTrial } from '../scripts/faults/run-trial.ts';
import type { Scenario } from '../scripts/faults/scenario.ts';
import { holdIdOf } from '../src/wallet/ids.ts';
import { walletOf } from '../src/wallet/keys.ts';

const environmentId = 'abcdefghijkl';
const customerId = 'ada';
const { walletId } = walletOf(environmentId, customerId);
const beganAtMs = 1_700_000_000_000;
const unit = 10n ** 9n;

/** One attempt, answered; instants are of the clients' clock. */
function answered(sentMs: number, endedMs: number, status: number, body: Body, replayed = false): Attempt {
  return { gateway: 'g', sentMs, endedMs, reply: { status, body, replayed } };
}

const grantRequest: Request = {
  kind: 'grant',
  customerId,
  path: `/v1/customers/${customerId}/grants`,
  body: { asset: 'USD', amount: '10', purpose: 'paid' },
  key: 'k1',
  attempts: [
    answered(0, 10, 201, {
      id: `grt_${walletId}1`,
      amount: '10',
      remaining: '10',
      held: '0',
      status: 'active',
      effective_at: new Date(beganAtMs).toISOString(),
    }),
  ],
};

function chargeRequest(key: string, attempts: Attempt[], amount = '3'): Request {
  return {
    kind: 'charge',
    customerId,
    path: '/v1/charge',
    body: { customer_id: customerId, asset: 'USD', amount },
    key,
    attempts,
  };
}

const charged = (version: number, available: string): Body => ({
  id: `chg_${walletId}1.${version}`,
  status: 'charged',
  amount: '3',
  available,
  held: '0',
  version,
});

const declined = (available: string): Body => ({
  code: 'insufficient_balance',
  outcome: 'not_applied',
  limit_source: 'balance',
  available,
  held: '0',
  affordable: available,
});

function entry(version: number, request: Request | undefined, over: Partial<LedgerEntry>): LedgerEntry {
  return {
    walletId,
    version,
    kind: 'charge',
    late: false,
    freeze: 'none',
    atMs: beganAtMs + version,
    epoch: 1,
    operationId: request ? operationIdOf(environmentId, request) : null,
    assets: [1],
    amounts: [-3n * unit],
    available: [],
    held: [0n],
    overage: [0n],
    scheduled: [0n],
    moves: [],
    grant: undefined,
    hold: undefined,
    ...over,
  };
}

const grantEntry = entry(1, grantRequest, {
  kind: 'grant',
  atMs: beganAtMs,
  amounts: [10n * unit],
  available: [10n * unit],
  moves: [{ grantNo: 1, remaining: 10n * unit, held: 0n }],
  grant: {
    no: 1,
    state: 'active',
    purpose: 'paid',
    priority: 50,
    asset: 1,
    amount: 10n * unit,
    effectiveAtMs: beganAtMs,
    expiresAtMs: null,
    createdAtMs: beganAtMs,
  },
});

/** A charge of 3, after which so much is left. */
function chargeEntry(version: number, request: Request | undefined, left: bigint): LedgerEntry {
  const available = left * unit;
  return entry(version, request, { available: [available], moves: [{ grantNo: 1, remaining: available, held: 0n }] });
}

const first = chargeRequest('k2', [answered(20, 30, 200, charged(2, '7'))]);
const second = chargeRequest('k3', [answered(40, 50, 200, charged(3, '4'))]);
const refused = chargeRequest('k4', [answered(60, 70, 402, declined('4'))], '9');

const sound: History = {
  environmentId,
  requests: [grantRequest, first, second, refused],
  entries: [grantEntry, chargeEntry(2, first, 7n), chargeEntry(3, second, 4n)],
};

/** Entries happened when their versions say, in milliseconds of the clients' clock: the epoch was sealed behind version 3. */
const { partition } = walletOf(environmentId, customerId);
const epoch = (over: object) => ({ partition, epoch: 1, openedAtMs: 0, sealedSeq: 3, acknowledgedSeq: 3, ...over });
const mayLose: MayLose = {
  epochs: [epoch({}), epoch({ epoch: 2, openedAtMs: beganAtMs + 1_000, sealedSeq: undefined, acknowledgedSeq: 0 })],
  wallClock: (clientMs) => ({ leastMs: beganAtMs + clientMs, mostMs: beganAtMs + clientMs }),
  windows: [],
};

function caught(history: Partial<History>, how = {}): string[] {
  const { violations } = check({ ...sound, ...history }, how);
  return [...new Set(violations.map((violation) => violation.check))].sort();
}

describe('where something may be lost, the checker', () => {
  // The last entry of the wallet is at 100: what was answered before was decided before, and is kept.
  const last = chargeRequest('k9', [answered(90, 110, 200, charged(4, '1'))]);
  const entries = [...sound.entries, { ...chargeEntry(4, last, 1n), atMs: beganAtMs + 100 }];
  const requests = [...sound.requests, last];
  const where = (over: Partial<MayLose> = {}) => ({ mayLose: { ...mayLose, ...over } });

  test('has nothing against a sound history', () => {
    expect(check({ ...sound, requests, entries }, where()).violations).toEqual([]);
  });

  test('finds a yes that is lost though what came after it is not', () => {
    const hidden = chargeRequest('k5', [answered(60, 70, 200, charged(4, '1'))]);
    const history = { ...sound, requests: [...requests, hidden], entries };
    expect(caught(history, where())).toEqual(['acknowledged']);
    // Somebody else may have said so, or it came behind the last entry: then it is lost, and no more.
    expect(caught(history, where({ windows: [{ fromMs: 65, toMs: 66 }] }))).toEqual([]);
    const behind = { ...hidden, attempts: [answered(90, 101, 200, charged(4, '1'))] };
    expect(caught({ requests: [...requests, behind], entries }, where())).toEqual([]);
  });

  test('finds a no for which there was no reason', () => {
    const wrong = { ...refused, attempts: [answered(60, 70, 402, declined('7'))] };
    expect(caught({ requests: [grantRequest, first, second, wrong, last], entries }, where())).toEqual(['refusals']);
    const behind = { ...refused, attempts: [answered(160, 170, 402, declined('7'))] };
    expect(caught({ requests: [grantRequest, first, second, behind, last], entries }, where())).toEqual([]);
  });

  test('finds a yes that tells other numbers than the ledger, and an order that clients saw otherwise', () => {
    const told = { ...second, attempts: [answered(40, 50, 200, charged(3, '5'))] };
    expect(caught({ requests: [grantRequest, first, told, refused, last], entries }, where())).toEqual(['replies']);
    const late = { ...first, attempts: [answered(60, 70, 200, charged(2, '7'))] };
    expect(caught({ requests: [grantRequest, late, second, refused, last], entries }, where())).toContain('real-time');
  });

  test('believes that a hold is not there where its entry is lost, and not where it is there', () => {
    const denied: Request = {
      kind: 'release',
      customerId,
      path: `/v1/holds/${holdIdOf(walletId, 1, '1.4')}/release`,
      body: {},
      key: 'k8',
      attempts: [answered(60, 70, 404, { code: 'hold_not_found', outcome: 'not_applied' })],
    };
    expect(caught({ requests: [...requests, denied], entries }, where())).toEqual([]);
    const expiresAtMs = beganAtMs + 3 + 60_000;
    const expires_at = new Date(expiresAtMs).toISOString();
    const taken = { ...charged(3, '4'), held: '3', id: holdIdOf(walletId, 1, '1.3'), status: 'approved', expires_at };
    const asked: Request = {
      ...chargeRequest('k3', [answered(40, 50, 200, taken)]),
      ...{ kind: 'authorize', path: '/v1/authorize' },
    };
    const held: LedgerEntry = {
      ...{ ...chargeEntry(3, asked, 4n), kind: 'hold', amounts: [0n], held: [3n * unit] },
      moves: [{ grantNo: 1, remaining: 4n * unit, held: 3n * unit }],
      hold: {
        ...{ ref: '1.3', status: 'open', createdAtMs: beganAtMs + 3, expiresAtMs },
        legs: [[1, 3n * unit, 3n * unit, 0n, 0n, 1n, 1n]],
        taken: [{ grantNo: 1, atoms: 3n * unit }],
      },
    };
    const behind = chargeRequest('k9', [answered(90, 110, 200, { ...charged(4, '1'), held: '3' })]);
    const moves = [{ grantNo: 1, remaining: unit, held: 3n * unit }];
    const ends = { ...chargeEntry(4, behind, 1n), held: [3n * unit], moves, atMs: beganAtMs + 100 };
    const history = { requests: [grantRequest, first, asked, behind], entries: [grantEntry, entries[1]!, held, ends] };
    expect(caught(history, where())).toEqual([]);
    const wrong = { ...denied, path: denied.path.replace('1.4', '1.3') };
    expect(caught({ ...history, requests: [...history.requests, wrong] }, where())).toEqual(['refusals']);
  });

  test('finds a report of too little, and of too much', () => {
    const lost = chargeRequest('k6', [answered(200, 210, 200, charged(6, '0'))]);
    const found = (acknowledgedSeq: number, asked: Request[]) => {
      const [ended, present] = mayLose.epochs;
      const epochs = [{ ...ended!, sealedSeq: 4, acknowledgedSeq }, present!];
      const history = { environmentId, requests: [...requests, ...asked], entries };
      return checkReported(history, { ...mayLose, epochs }).map(({ what }) => what);
    };
    expect(found(6, [lost])).toEqual([]);
    expect(found(5, [lost])).toEqual(['1 entries are reported lost; clients know of 2 at least, and 2 at most']);
    expect(found(7, [lost])).toEqual(['3 entries are reported lost; clients know of 2 at least, and 2 at most']);
    // What nobody heard may have been more.
    const unheard = chargeRequest('k7', [{ gateway: 'g', sentMs: 200, endedMs: 210, reply: undefined }]);
    expect(found(7, [lost, unheard])).toEqual([]);
    expect(found(4, [])).toEqual([]);
  });
});

describe('the checker', () => {
  test('has nothing against a sound history', () => {
    expect(check(sound).violations).toEqual([]);
  });

  test('finds a debit that was done twice', () => {
    const twice = [...sound.entries, chargeEntry(4, second, 1n)];
    expect(caught({ entries: twice })).toContain('once');
  });

  test('finds a yes that is not in the ledger, and calls it lost where losses may be', () => {
    const entries = sound.entries.slice(0, 2);
    expect(caught({ entries })).toContain('acknowledged');
    const { violations, lost } = check({ ...sound, entries }, { mayLose });
    expect(violations).toEqual([]);
    expect(lost.map(({ key }) => key)).toEqual(['k3']);
  });

  test('finds a debit after a no', () => {
    const entries = [...sound.entries, chargeEntry(4, refused, 1n)];
    expect(caught({ entries })).toContain('no-debit');
  });

  test('finds a debit that nobody asked for', () => {
    const stray = { ...chargeEntry(4, second, 1n), operationId: 'nobody' };
    expect(caught({ entries: [...sound.entries, stray] })).toContain('unasked');
  });

  test('finds a gap in the versions', () => {
    const entries = sound.entries.map((one) => (one.version === 3 ? { ...one, version: 4 } : one));
    expect(caught({ entries })).toContain('contiguous');
  });

  test('finds time that runs backwards', () => {
    const entries = sound.entries.map((one) => (one.version === 3 ? { ...one, atMs: beganAtMs - 1 } : one));
    expect(caught({ entries })).toContain('time');
  });

  test('finds a balance that the model does not come to', () => {
    const entries = [...sound.entries.slice(0, 2), chargeEntry(3, second, 5n)];
    expect(caught({ entries })).toContain('replay');
  });

  test('finds a yes that tells other numbers than the ledger', () => {
    const told = { ...second, attempts: [answered(40, 50, 200, charged(3, '5'))] };
    expect(caught({ requests: [grantRequest, first, told, refused] })).toEqual(['replies']);
  });

  test('finds an order that clients saw otherwise', () => {
    // Answered before the other was asked for, and placed behind it.
    const late = { ...first, attempts: [answered(60, 70, 200, charged(2, '7'))] };
    expect(caught({ requests: [grantRequest, late, second, refused] })).toContain('real-time');
  });

  test('lets what overlapped stand in either order', () => {
    const long = { ...first, attempts: [answered(20, 45, 200, charged(2, '7'))] };
    const early = { ...second, attempts: [answered(15, 50, 200, charged(3, '4'))] };
    expect(caught({ requests: [grantRequest, long, early, refused] })).toEqual([]);
  });

  test('finds a no for which there was no reason at the time', () => {
    const wrong = { ...refused, attempts: [answered(60, 70, 402, declined('7'))] };
    expect(caught({ requests: [grantRequest, first, second, wrong] })).toEqual(['refusals']);
    const meanwhile = { ...refused, attempts: [answered(25, 70, 402, declined('7'))] };
    expect(caught({ requests: [grantRequest, first, second, meanwhile] })).toEqual([]);
  });

  test('finds an operation that was done anew when it was repeated', () => {
    const again = { ...second, attempts: [...second.attempts, answered(80, 90, 200, charged(3, '4'))] };
    expect(caught({ requests: [grantRequest, first, again, refused] })).toEqual(['repeats']);
    const replayed = { ...second, attempts: [...second.attempts, answered(80, 90, 200, charged(3, '4'), true)] };
    expect(caught({ requests: [grantRequest, first, replayed, refused] })).toEqual([]);
  });

  test('finds a key that was taken for another body', () => {
    const reused: Request = { ...chargeRequest('k2', [answered(80, 90, 200, charged(2, '7'))], '1'), reusesKey: true };
    expect(caught({ requests: [...sound.requests, reused] })).toEqual(['repeats']);
  });

  test('finds what is in doubt still', () => {
    const unknown = chargeRequest('k5', [{ gateway: 'g', sentMs: 80, endedMs: 90, reply: undefined }]);
    expect(caught({ requests: [...sound.requests, unknown] })).toEqual(['resolved']);
  });

  test('takes a no for one only where nothing sent before is still under way', () => {
    const broken: Attempt = { gateway: 'g', sentMs: 0, endedMs: 100, reply: undefined };
    const no = (sentMs: number) => answered(sentMs, sentMs + 10, 402, declined('4'));
    expect(verdictOf(chargeRequest('k6', [broken, no(50)]))).toBe('open');
    expect(verdictOf(chargeRequest('k6', [broken, no(100)]))).toBe('no');
  });
});

const program = fileURLToPath(new URL('../dist/scripts/faults.js', import.meta.url));

test('each deliberate bug can still be planted in the program as it is', () => {
  const run = spawnSync(process.execPath, [program, '--planted', '--list'], { encoding: 'utf8', timeout: 20_000 });
  expect(run.stdout.split('NOT PLANTED')[1], run.stderr).toBeUndefined();
  expect(run.stdout).toMatch(/^all \d\d apply$/m);
  expect(run.status).toBe(0);
});

test('a run that breaks off has failed, and leaves Postgres to the next one', { timeout: 80_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'farebox-faults-test-'));
  const postgres = await openPostgres(join(folder, 'postgres'), () => {});
  const main = fileURLToPath(new URL('../dist/src/main.js', import.meta.url));
  const run = (inject: Scenario['inject']) => {
    const scenario: Scenario = { name: 'broken', fault: 'none', mustHold: 'nothing', inject };
    return tryTrial({ scenario, seed: 1, rounds: 1, postgres, folder, say: () => {}, world: { gateways: 1, main } });
  };
  try {
    const broken = await run(async ({ world }) => {
      await world.postgres.kill();
      throw new Error('a slip of the campaign');
    });
    expect(broken.violations).toMatchObject([
      { check: 'scenario', who: 'broken', what: expect.stringContaining('a slip of the campaign') },
    ]);
    const next = await run(async () => {});
    expect(next.violations).toEqual([]);
  } finally {
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
