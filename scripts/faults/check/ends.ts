// The wallets as gateways show them at the end, against the model at the same version.
import { balances } from '../../../test/model/wallet.ts';
import type { World } from '../world.ts';
import { money } from './expected-body.ts';
import type { Timeline } from './replay.ts';
import type { Violation } from './violation.ts';

type Account = { asset: string; available: string; held: string; overage: string };

const assets = { USD: 1, EUR: 2 } as const;

export async function checkEnds({ gateways }: World, timelines: ReadonlyMap<string, Timeline>): Promise<Violation[]> {
  const gateway = gateways.find(({ process }) => process.running())?.client;
  if (!gateway) return [{ check: 'ends', who: 'gateways', what: 'none runs' }];
  const found = await Promise.all(
    [...timelines].map(async ([customerId, timeline]) => {
      const { status, body } = await gateway.get(`/v1/customers/${customerId}/wallet`);
      return status === 200
        ? differencesOf(customerId, timeline, Number(body['version']), body['accounts'] as unknown as Account[])
        : [
            {
              check: 'ends' as const,
              who: customerId,
              what: `the wallet is answered ${status} ${JSON.stringify(body)}`,
            },
          ];
    }),
  );
  return found.flat();
}

function differencesOf(who: string, timeline: Timeline, version: number, accounts: readonly Account[]): Violation[] {
  if (timeline.parted) return [];
  const world = timeline.worlds.get(version);
  const last = Math.max(...timeline.worlds.keys());
  // What fell due since the ledger was read: one entry or two more than it had.
  if (!world)
    return version > last ? [] : [{ check: 'ends', who, what: `is at version ${version}, the ledger at ${last}` }];
  return Object.entries(assets).flatMap(([asset, number]): Violation[] => {
    const is = accounts.find((account) => account.asset === asset);
    const { available, held, overage } = balances(world.wallet, number);
    const [shown, expected] = [
      [is?.available ?? '0', is?.held ?? '0', is?.overage ?? '0'].join(' '),
      [available, held, overage].map(money).join(' '),
    ];
    return shown === expected
      ? []
      : [{ check: 'ends', who, what: `${asset} at version ${version}: shown ${shown}, the model has ${expected}` }];
  });
}
