// Stories as text, a line each: `hold h1 60 up_to ttl 5s asset 2 with 30:3@2/1 -> approved 40 | hold`.
//
// What follows `->` are words that the reply bears out (its status, a reason, `late` …), a bare number for what is
// available then, and `name=number` for any other of its values. What follows `|` are the kinds of the entries written.
import type { FreezeName, PurposeName } from '../../src/records.ts';
import type { Mode } from '../model/decide.ts';
import type { StoryPeriod } from '../model/budgets.ts';
import type { AskedLeg } from '../model/wallet.ts';
import type { StoryPriceName, StoryUse } from './prices.ts';
import type { Covered, Falling, Line, Step } from './steps.ts';

const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const defaultTtlMs = 60_000;
const purposes = ['promotional', 'bundled', 'paid'];

export function parseStory(text: string): Line[] {
  const lines: Line[] = [];
  for (const line of text.split('\n')) {
    const written = line.replace(/#.*/, '').trim();
    if (written === '') continue;
    const [said = '', kinds] = written.split('|');
    const [words = '', answer = ''] = said.split('->');
    const expected = { words: wordsOf(answer), kinds: kinds === undefined ? undefined : wordsOf(kinds) };
    lines.push({ step: parseStep(wordsOf(words), lines.length + 1), expected });
  }
  return lines;
}

/** The shortest text that says it. */
export function formatStep(step: Step): string {
  switch (step.verb) {
    case 'grant': {
      const { verb, name, purpose, amount, priority, fromMs, untilMs } = step;
      const dates = [
        fromMs === undefined ? '' : `from ${formatSpan(fromMs)}`,
        untilMs === undefined ? '' : `until ${formatSpan(untilMs)}`,
      ];
      const scope = step.scope === 0 ? '' : `scope ${step.scope}`;
      const rank = priority === 50 ? '' : `priority ${priority}`;
      const rolls = step.rolls ? `rolls ${step.rolls.percent},${step.rolls.most}` : '';
      const forMs = step.rolls?.forMs === undefined ? '' : `for ${formatSpan(step.rolls.forMs)}`;
      return joined(verb, name, purpose, amount, ...dates, rolls, forMs, rank, scope, asset(step));
    }
    case 'hold': {
      const ttl = step.ttlMs === defaultTtlMs ? '' : `ttl ${formatSpan(step.ttlMs)}`;
      return joined(step.verb, step.name, step.amount, mode(step), ttl, ...tail(step), again(step));
    }
    case 'settle': {
      const onExcess = step.onExcess === 'charge' ? '' : step.onExcess;
      const and = step.dues.length === 0 ? '' : `and ${step.dues.map((due) => `${due.amount}:${due.asset}`).join(',')}`;
      const { verb, hold, amount } = step;
      const part = step.part ? 'part' : '';
      return joined(
        verb,
        hold,
        amount,
        and,
        covered(step),
        uses(step),
        falling(step),
        part,
        onExcess,
        as(step),
        key(step),
      );
    }
    case 'release':
      return joined(step.verb, step.hold, as(step), key(step));
    case 'extend': {
      const ttl = step.ttlMs === 0 ? '' : `ttl ${formatSpan(step.ttlMs)}`;
      return joined(step.verb, step.hold, step.amount, ttl, again(step), as(step), key(step));
    }
    case 'charge':
      return joined(step.verb, step.amount, mode(step), ...tail(step), again(step), key(step));
    case 'publish':
      return joined(step.verb, step.price);
    case 'budget': {
      const { verb, name, limit, period, of, alertOnly, thresholds } = step;
      const per = typeof period === 'number' ? formatSpan(period) : period;
      const at = thresholds.length > 0 ? `at ${thresholds.join(',')}` : '';
      const spender = of === undefined ? '' : `of ${of}`;
      return joined(verb, name, limit, `per ${per}`, spender, asset(step), alertOnly ? 'alert' : '', at);
    }
    case 'drop':
      return joined(step.verb, step.budget);
    case 'aside':
      return joined(step.verb, step.name, step.grant, step.amount, mode(step));
    case 'take':
      return joined(step.verb, step.hold, step.grant, step.amount, key(step));
    case 'void':
      return joined(step.verb, step.grant, key(step));
    case 'freeze':
    case 'unfreeze':
      return joined(step.verb, step.by === 'operator' ? '' : `by ${step.by}`, key(step));
    case 'wait':
      return joined(step.verb, formatSpan(step.ms));
    case 'to':
      return joined(step.verb, step.name, step.offsetMs === 0 ? '' : formatSpan(step.offsetMs));
    case 'sweep':
    case 'apply_due':
    case 'reload':
      return step.verb;
  }
}

const joined = (...parts: (string | bigint)[]) => parts.filter((part) => part !== '').join(' ');
const asset = (step: { asset: number }) => (step.asset === 1 ? '' : `asset ${step.asset}`);
const mode = (step: { mode: Mode }) => (step.mode === 'strict' ? '' : step.mode);
const legs = (step: { legs: readonly AskedLeg[] }) =>
  step.legs.length === 0 ? '' : `with ${step.legs.map(formatLeg).join(',')}`;
const covered = (step: { covered: Covered | undefined }) =>
  step.covered ? `in ${step.covered.map(({ atoms, scopes }) => `${atoms}:${scopes.join('.')}`).join(',')}` : '';
const by = (step: { by: string | undefined }) => (step.by === undefined ? '' : `by ${step.by}`);
const uses = (step: { uses: readonly StoryUse[] }) =>
  step.uses.length === 0 ? '' : `uses ${step.uses.map(({ price, quantity }) => `${quantity}:${price}`).join(',')}`;
const tail = (step: Step & { verb: 'hold' | 'charge' }) => [
  ...[asset(step), legs(step), covered(step), by(step), uses(step), falling(step)],
];
const falling = (step: { falling: readonly Falling[] }) =>
  step.falling.length === 0 ? '' : `or ${step.falling.map(formatFalling).join(',')}`;
const again = (step: { again: boolean }) => (step.again ? 'again' : '');
const key = (step: { key: string | undefined }) => (step.key === undefined ? '' : `key ${step.key}`);
const as = (step: { as: number | undefined }) => (step.as === undefined ? '' : `as ${step.as}`);

// `30:2@3/1`: 30 of asset 2, of which 3 stand in for 1 of the first; `30:2`: they stand in for nothing.
function formatLeg({ asset: of, amount, num, den }: AskedLeg): string {
  return `${amount}:${of}${den === 0n ? '' : `@${num}/${den}`}`;
}

// `8:1~2>2@1/5>3@2/1`: 8 of asset 1, which scope 2 covers; the rest in asset 2, 1 for 5, then in 3; `u2>…`: the second use.
function formatFalling({ asset: of, atoms, use, scopes, rates }: Falling): string {
  const what = use > 0 ? `u${use}` : `${atoms}:${of}`;
  const by = scopes.length === 0 ? '' : `~${scopes.join('.')}`;
  return what + by + rates.map((rate) => `>${rate.asset}@${rate.num}/${rate.den}`).join('');
}

function parseFalling(text: string): Falling[] {
  return text.split(',').map((line) => {
    const [what = '', ...others] = line.split('>');
    const match = /^(?:u(\d+)|(\d+):(\d+))(?:~([\d.]+))?$/.exec(what);
    if (!match) throw new Error(`'${line}' is not a line such as 8:1>2@1/5`);
    const [, use = '0', atoms = '0', of = '0', by] = match;
    const scopes = by === undefined ? [] : by.split('.').map(Number);
    const rates = others.map((rate) => {
      const [asset = '', num = '', den = ''] = rate.split(/[@/]/);
      return { asset: Number(asset), num: BigInt(num), den: BigInt(den) };
    });
    return { asset: Number(of), atoms: BigInt(atoms), use: Number(use), scopes, rates };
  });
}

// `50,20`: half of it, 20 at most.
function parseRolls(text: string | undefined, forMs: number | undefined): (Step & { verb: 'grant' })['rolls'] {
  if (text === undefined) return undefined;
  const [percent, most = '0'] = text.split(',');
  return { percent: Number(percent), most: BigInt(most), forMs };
}

// `6:1.2,0:`: 6 that scopes 1 and 2 cover, and the rest that none does.
function parseCovered(text: string): Covered {
  return text.split(',').map((part) => {
    const [atoms = '', scopes = ''] = part.split(':');
    return { atoms: BigInt(atoms), scopes: scopes === '' ? [] : scopes.split('.').map(Number) };
  });
}

function parseLegs(text: string): AskedLeg[] {
  return text.split(',').map((leg) => {
    const match = /^(\d+):(\d+)(?:@(\d+)\/(\d+))?$/.exec(leg);
    if (!match) throw new Error(`'${leg}' is not a leg such as 30:2@3/1`);
    const [, amount = '', of, num = '0', den = '0'] = match;
    return { asset: Number(of), amount: BigInt(amount), num: BigInt(num), den: BigInt(den) };
  });
}

// `2.5:steps`: so much of that price.
function parseUses(text: string): StoryUse[] {
  return text.split(',').map((use) => {
    const [quantity = '', price] = use.split(':');
    return { quantity, price: price as StoryPriceName };
  });
}

function formatSpan(ms: number): string {
  const unit = (['d', 'h', 'm', 's', 'ms'] as const).find((name) => ms % units[name] === 0 && ms !== 0) ?? 'ms';
  return `${ms / units[unit]}${unit}`;
}

function parseSpan(text: string): number {
  const match = /^([+-]?\d+)(ms|s|m|h|d)$/.exec(text);
  if (!match) throw new Error(`'${text}' is not a time such as 90s`);
  return Number(match[1]) * units[match[2] as keyof typeof units];
}

function parsePeriod(text: string): StoryPeriod {
  const isNamed = text === 'hour' || text === 'day' || text === 'nepal_day' || text === 'lifetime';
  return isNamed ? text : parseSpan(text);
}

function wordsOf(text: string): string[] {
  return text
    .trim()
    .split(/\s+/)
    .filter((word) => word !== '');
}

function parseStep(words: string[], lineNo: number): Step {
  const from = reader(words);
  const verb = from.next();
  const step = ((): Step => {
    switch (verb) {
      case 'grant': {
        const name = purposes.includes(from.peek()) ? `g${lineNo}` : from.next();
        return {
          verb,
          name,
          purpose: from.next() as PurposeName,
          amount: BigInt(from.next()),
          fromMs: from.option('from', parseSpan),
          untilMs: from.option('until', parseSpan),
          rolls: parseRolls(from.option('rolls', String), from.option('for', parseSpan)),
          priority: from.option('priority', Number) ?? 50,
          scope: from.option('scope', Number) ?? 0,
          asset: from.option('asset', Number) ?? 1,
        };
      }
      case 'hold':
        return {
          verb,
          name: from.next(),
          amount: BigInt(from.next()),
          mode: from.oneOf('strict', 'up_to', 'shadow'),
          ttlMs: from.option('ttl', parseSpan) ?? defaultTtlMs,
          asset: from.option('asset', Number) ?? 1,
          legs: from.option('with', parseLegs) ?? [],
          covered: from.option('in', parseCovered),
          by: from.option('by', String),
          uses: from.option('uses', parseUses) ?? [],
          falling: from.option('or', parseFalling) ?? [],
          again: from.flag('again'),
        };
      case 'settle':
        return {
          verb,
          hold: from.next(),
          amount: BigInt(from.next()),
          dues: from.option('and', parseLegs)?.map(({ asset: of, amount }) => ({ asset: of, amount })) ?? [],
          covered: from.option('in', parseCovered),
          uses: from.option('uses', parseUses) ?? [],
          falling: from.option('or', parseFalling) ?? [],
          part: from.flag('part'),
          onExcess: from.oneOf('charge', 'cap', 'reject'),
          as: from.option('as', Number),
          key: from.option('key', String),
        };
      case 'release':
        return { verb, hold: from.next(), as: from.option('as', Number), key: from.option('key', String) };
      case 'extend':
        return {
          verb,
          hold: from.next(),
          amount: BigInt(from.next()),
          ttlMs: from.option('ttl', parseSpan) ?? 0,
          again: from.flag('again'),
          as: from.option('as', Number),
          key: from.option('key', String),
        };
      case 'charge':
        return {
          verb,
          amount: BigInt(from.next()),
          mode: from.oneOf('strict', 'up_to', 'shadow'),
          asset: from.option('asset', Number) ?? 1,
          legs: from.option('with', parseLegs) ?? [],
          covered: from.option('in', parseCovered),
          by: from.option('by', String),
          uses: from.option('uses', parseUses) ?? [],
          falling: from.option('or', parseFalling) ?? [],
          again: from.flag('again'),
          key: from.option('key', String),
        };
      case 'budget':
        return {
          verb,
          name: from.next(),
          limit: BigInt(from.next()),
          period: from.option('per', parsePeriod) ?? 'lifetime',
          of: from.option('of', String),
          asset: from.option('asset', Number) ?? 1,
          alertOnly: from.flag('alert'),
          thresholds: from.option('at', (text) => text.split(',').map(BigInt)) ?? [],
        };
      case 'publish':
        return { verb, price: from.next() as StoryPriceName };
      case 'drop':
        return { verb, budget: from.next() };
      case 'aside':
        return {
          ...{ verb, name: from.next(), grant: from.next(), amount: BigInt(from.next()) },
          mode: from.oneOf('strict', 'up_to'),
        };
      case 'take':
        return {
          ...{ verb, hold: from.next(), grant: from.next(), amount: BigInt(from.next()) },
          key: from.option('key', String),
        };
      case 'void':
        return { verb, grant: from.next(), key: from.option('key', String) };
      case 'freeze':
      case 'unfreeze':
        return {
          verb,
          by: from.option('by', (by) => by as FreezeName) ?? 'operator',
          key: from.option('key', String),
        };
      case 'wait':
        return { verb, ms: parseSpan(from.next()) };
      case 'to':
        return { verb, name: from.next(), offsetMs: from.peek() === '' ? 0 : parseSpan(from.next()) };
      case 'sweep':
      case 'apply_due':
      case 'reload':
        return { verb };
      default:
        throw new Error(`line ${lineNo}: no verb '${verb}'`);
    }
  })();
  if (from.peek() !== '') throw new Error(`line ${lineNo}: '${from.peek()}' in '${words.join(' ')}' means nothing`);
  return step;
}

// Words one after the other; options stand anywhere after them.
function reader(words: string[]) {
  const left = [...words];
  const next = (): string => {
    const word = left.shift();
    if (word === undefined) throw new Error(`'${words.join(' ')}' ends too early`);
    return word;
  };
  const flag = (word: string): boolean => {
    const at = left.indexOf(word);
    if (at >= 0) left.splice(at, 1);
    return at >= 0;
  };
  return {
    next,
    flag,
    peek: (): string => left[0] ?? '',
    oneOf: <T extends string>(first: T, ...others: T[]): T => others.find((word) => flag(word)) ?? (flag(first), first),
    option: <T>(word: string, parse: (text: string) => T): T | undefined => {
      const at = left.indexOf(word);
      const [, value] = at < 0 ? [] : left.splice(at, 2);
      return value === undefined ? undefined : parse(value);
    },
  };
}
