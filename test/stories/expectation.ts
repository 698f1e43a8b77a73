// What a line of an example expects, and whether the reply bears it out.
import { codes } from '../../src/codes.gen.ts';
import type { Reply } from '../model/wallet.ts';
import { show } from './differences.ts';
import type { Played } from './scene.ts';
import type { Expectation } from './steps.ts';

/** One line for each expectation that was not met. */
export function unmet(expected: Expectation | undefined, { entries, reply }: Played): string[] {
  if (!expected) return [];
  const complaints = expected.words
    .filter((word) => !bearsOut(reply ?? { status: '' }, word))
    .map((word) => `the line says '${word}', the reply is ${show(reply)}`);
  const kinds = entries.map(({ kind }) => kind).join(' ');
  if (expected.kinds && expected.kinds.join(' ') !== kinds) {
    complaints.push(`the line says | ${expected.kinds.join(' ')}, the entries are ${kinds}`);
  }
  return complaints;
}

function bearsOut(reply: Reply, word: string): boolean {
  const [name = '', number] = word.split('=');
  const value = (of: string) => reply[`${of}Atoms`] ?? reply[of];
  if (number !== undefined && (name === 'legs' || name === 'spent')) return legsOf(reply, name) === number;
  if (number !== undefined) return String(value(name)) === number;
  if (/^\d+$/.test(word)) return String(value('available')) === word;
  return wordsOf(reply).includes(word);
}

// `1:5,2:8`: what each leg is, or has spent, in the order of legs.
function legsOf({ legsText }: Reply, what: 'legs' | 'spent'): string {
  const numbers = String(legsText).split(' ');
  const at = what === 'legs' ? 1 : 3;
  return Array.from({ length: numbers.length / 8 }, (_, leg) => `${numbers[8 * leg]}:${numbers[8 * leg + at]}`).join(
    ',',
  );
}

function wordsOf(reply: Reply): string[] {
  const nameOf = (table: Record<string, number>, code: unknown) =>
    Object.keys(table).find((name) => table[name] === code) ?? '';
  return [
    reply.status,
    reply['replayed'] === true ? 'replayed' : '',
    reply['lateFlag'] === 1 ? 'late' : '',
    reply['openFlag'] === 1 ? 'open' : '',
    nameOf(codes.reason, reply['reason']),
    nameOf(codes.grant_state, reply['state']),
    nameOf(codes.bound, reply['bound']),
  ];
}
