// Prices for tests, written as on the wire; read through the schema and the checks that the API puts them through.
import { z } from '@hono/zod-openapi';
import { validate } from '../src/api/validate.ts';
import { prices as schema } from '../src/api/price-schema.ts';
import type { FieldError } from '../src/contract.ts';
import type { Price, PricedAsset, Quantity } from '../src/pricing/price.ts';
import { readQuantity } from '../src/pricing/quantity.ts';
import { readPrices, type ReadPrices } from '../src/pricing/read-prices.ts';

export const assets: ReadonlyMap<string, PricedAsset> = new Map(
  (
    [
      ['USD', 9],
      ['EUR', 9],
      ['CREDITS', 2],
      ['TOKENS', 0],
    ] as const
  ).map(([code, scale], index) => [code, { number: index + 1, code, scale }]),
);

const body = z.strictObject({ prices: schema });

/** As a body of the API: `refused` with the errors that the API would answer. */
export function readBody(written: unknown): ReadPrices {
  const checked = validate(body, { prices: written });
  if (checked.status === 'valid') return readPrices(checked.value.prices, assets);
  return { status: 'refused', code: 'invalid_request', errors: checked.more?.['errors'] as FieldError[] };
}

/** Prices that are known to be good; what is not said is a price in USD for one event. */
export function goodPrices(...written: object[]): Price[] {
  const read = readBody(
    written.map((price, no) => ({
      id: `p${no}`,
      event_type: 'call',
      asset: 'USD',
      ...('model' in price ? {} : { model: 'unit', unit_amount: '1' }),
      ...price,
    })),
  );
  if (read.status === 'refused') throw new Error(`not good: ${JSON.stringify(read.errors)}`);
  return read.prices;
}

export const goodPrice = (written: object): Price => goodPrices(written)[0]!;

export function quantityOf(written: unknown): Quantity {
  const read = readQuantity(written);
  if (read.status !== 'ok') throw new Error(`no quantity: it ${read.message}`);
  return read.quantity;
}
