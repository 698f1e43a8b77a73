// Whether catalog and configuration are what Redis has.
import type { WalletConfig } from '../records.ts';
import type { Stale } from '../wallet/stale.ts';
import type { Target, Trouble } from '../wallet/target.ts';
import type { Api } from './route.ts';

/** Asked where no script does: nobody is told of a catalog, or a subscription, that was replaced. */
export async function checkStanding(
  api: Api,
  wallet: Target,
  config: WalletConfig,
  catalogVersion = 0,
): Promise<'current' | Stale | Trouble> {
  const standing = await api.wallets.readStanding(wallet);
  if (standing.status !== 'stale') return standing;
  const isReplaced = standing.catalogVersion > catalogVersion || standing.configVersion !== config.version;
  return isReplaced ? standing : 'current';
}
