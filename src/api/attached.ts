// What the caller attaches to an operation: kept in the ledger's entry as it came, and given back with it.
import type { VendorCost } from '../contract.ts';

type Attachment = {
  subject?: string | undefined;
  labels?: Record<string, string> | undefined;
  metadata?: Record<string, unknown> | undefined;
  costs?: VendorCost[] | undefined;
};

/** What an entry may carry; also what the catalog will add. */
export type Attached = Attachment & { event_type?: string; data?: Record<string, unknown> };

/** JSON text, or empty when there is nothing. */
export function attachedOf({ subject, labels, metadata, costs }: Attachment): string {
  if (subject === undefined && labels === undefined && metadata === undefined && costs === undefined) return '';
  return JSON.stringify({ subject, labels, metadata, costs });
}

/** The JSON is our own: what is no object would be a bug. */
export function readAttached(text: string): Attached {
  return text === '' ? {} : (JSON.parse(text) as Attached);
}
