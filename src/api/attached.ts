// What the caller attaches to an operation: kept in the ledger's entry as it came, and given back with it.
import type { VendorCost } from '../contract.ts';

/** What an entry may carry. */
export type Attached = {
  subject?: string | undefined;
  labels?: Record<string, string> | undefined;
  metadata?: Record<string, unknown> | undefined;
  costs?: VendorCost[] | undefined;
  event_type?: string | undefined;
  data?: Record<string, unknown> | undefined;
  /** Of an event in a batch: the caller's name for it, and when it happened, where that was said. */
  event_id?: string | undefined;
  event_occurred_at?: string | undefined;
};

/** JSON text, or empty when there is nothing. */
export function attachedOf(attached: Attached): string {
  const { event_id, event_type, data, event_occurred_at, subject, labels, metadata, costs } = attached;
  const isNothing = subject === undefined && labels === undefined && metadata === undefined && costs === undefined;
  if (isNothing && event_type === undefined) return '';
  return JSON.stringify({ event_id, event_type, data, event_occurred_at, subject, labels, metadata, costs });
}

/** The JSON is our own: what is no object would be a bug. */
export function readAttached(text: string): Attached {
  return text === '' ? {} : (JSON.parse(text) as Attached);
}
