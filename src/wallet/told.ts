// What an operation was told besides numbers, read out of its kept reply (lua/lib/operation.lua).
import { cursor } from './packed.ts';
import { mergeTold, readLinesText } from './lines.ts';

const pricedStatuses = new Set(['approved', 'charged', 'settled']);

/** The lines that were priced, as JSON; empty for what was not priced, or is of a release that did not keep them. */
export function toldOf(reply: Buffer): string {
  const statusEnd = reply.indexOf(0);
  if (statusEnd < 0 || !pricedStatuses.has(reply.toString('latin1', 0, statusEnd))) return '';
  const from = cursor(reply.subarray(statusEnd + 1));
  from.bytes(8 * from.byte());
  // The first text tells of legs.
  const [, told = '', lines = ''] = from.rest().toString('utf8').split('\0');
  return mergeTold(told, readLinesText(lines));
}
