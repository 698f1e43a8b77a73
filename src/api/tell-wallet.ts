// Tell the wallet in Redis what Postgres has of its configuration, before the change is answered: every request that
// starts after the reply goes by it. Where that cannot be done now, a worker goes on with it.
import type { WalletConfig } from '../records.ts';
import { refuse, type Answer, type Refused } from './answer.ts';
import type { ChangedConfig } from './deps.ts';
import type { Api, Call } from './route.ts';

/** `unpushed`: what Redis is not known to have. */
export function tellWallet(api: Api, call: Call, unpushed: WalletConfig | undefined): Promise<Refused | undefined> {
  return tellCustomer(api, call, call.params.customer_id, unpushed);
}

export async function tellCustomer(
  api: Api,
  call: Call,
  customerId: string,
  unpushed: WalletConfig | undefined,
): Promise<Refused | undefined> {
  if (!unpushed) return undefined;
  const customer = { environmentId: call.environmentId, customerId };
  const configured = await api.wallets.configure(customer, unpushed);
  if (configured.status !== 'configured') {
    const why = 'detail' in configured ? configured.detail : configured.status;
    return refuse('not_yet_effective', `it is done, but the wallet has not been told: ${why}`, {
      outcome: 'applied',
      // A PATCH or DELETE has none, and is simply repeated.
      ...(call.idempotencyKey !== '' && { more: { idempotency_key: call.idempotencyKey } }),
    });
  }
  // Without it the worker tells Redis once more.
  await api.ledger.noteConfigPushed(customer, configured.version).catch((error: unknown) => {
    api.log.error({ error, ...customer }, 'a configuration was not noted as told');
  });
  return undefined;
}

export async function answerChanged(
  api: Api,
  call: Call,
  status: 200 | 201,
  { reply, isRepeat, unpushed }: ChangedConfig,
): Promise<Answer> {
  return (await tellWallet(api, call, unpushed)) ?? { status, text: reply, replayed: isRepeat };
}
