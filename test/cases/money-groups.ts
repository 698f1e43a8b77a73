// The billing cases that are about wallets, grants and holds rather than about what usage costs.
export const moneyGroups = [
  'credits_on_lines',
  'grant_burn_down',
  'grant_rollover',
  'ledger_collection',
  'wallet_consumption',
  'ongoing_usage_allocation',
  'hold',
  'hold_recovery',
];
