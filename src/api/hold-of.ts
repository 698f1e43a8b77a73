// Which hold a path names, and in which asset it counts; and how one that has ended refuses.
import type { Asset } from '../records.ts';
import { format } from './amount.ts';
import { refuse, type Refused } from './answer.ts';
import type { Closed } from '../wallet/ended-hold.ts';
import type { Target } from '../wallet/target.ts';
import type { Api, Call } from './route.ts';

export const noHold = refuse('hold_not_found', 'there is no such hold in this environment');

/** The hold's asset, told by its id alone. */
export async function assetOfHold(
  api: Api,
  { environmentId, params }: Call,
): Promise<{ status: 'ok'; asset: Asset; walletId: string; target: Target } | Refused> {
  const named = api.wallets.parseHoldId(params.hold_id);
  if (!named) return noHold;
  const asset = await api.assets.byNumber(environmentId, named.asset);
  const { walletId, partition } = named;
  return asset ? { status: 'ok', asset, walletId, target: { environmentId, walletId, partition } } : noHold;
}

export function refuseClosed({ how, settled, released }: Closed, asset: Asset): Refused {
  return refuse('hold_closed', `the hold is ${how}`, {
    more: { hold_status: how, settled: format(settled, asset), released: format(released, asset) },
  });
}
