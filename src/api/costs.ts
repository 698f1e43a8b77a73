// What the operator pays for the same work, as the caller says it.
import type { VendorCost } from '../contract.ts';
import type { Asset } from '../records.ts';
import { readAmount } from './amount.ts';
import type { Refused } from './answer.ts';
import { unknownAsset } from './assets.ts';
import type { Api } from './route.ts';

/** They move nothing, but must be amounts of assets that exist. At once when this process knows the assets. */
export function checkCosts(
  api: Api,
  environmentId: string,
  costs: readonly VendorCost[],
): Refused | undefined | Promise<Refused | undefined> {
  const found: (Asset | undefined)[] = [];
  for (const { asset } of costs) {
    const known = api.assets.byCode(environmentId, asset);
    if (known instanceof Promise) return checkLater(api, environmentId, costs);
    found.push(known);
  }
  return flawIn(costs, found);
}

async function checkLater(api: Api, environmentId: string, costs: readonly VendorCost[]): Promise<Refused | undefined> {
  const found: (Asset | undefined)[] = [];
  for (const { asset } of costs) found.push(await api.assets.byCode(environmentId, asset));
  return flawIn(costs, found);
}

function flawIn(costs: readonly VendorCost[], assets: readonly (Asset | undefined)[]): Refused | undefined {
  for (const [at, cost] of costs.entries()) {
    const asset = assets[at];
    if (!asset) return unknownAsset(`costs.${at}.asset`, cost.asset);
    const atoms = readAmount(cost.amount, asset, `costs.${at}.amount`);
    if (typeof atoms !== 'bigint') return atoms;
  }
  return undefined;
}
