// Generated from lua/ by `npm run generate`: do not edit.
export const codes = {
  kind: {
    grant: 1,
    schedule_grant: 2,
    activate_grant: 3,
    hold: 4,
    extend: 5,
    settle: 6,
    release: 7,
    expire_hold: 8,
    charge: 9,
    expire_grant: 10,
    void_grant: 11,
    freeze: 12,
    unfreeze: 13,
    budget_alert: 14,
    roll_over_grant: 15,
    refund: 16
  },
  account: {
    available: 1,
    held: 2,
    overage: 3,
    funding: 4,
    revenue: 5,
    expired: 6,
    voided: 7,
    refunded: 8
  },
  purpose: {
    promotional: 1,
    bundled: 2,
    paid: 3
  },
  grant_state: {
    scheduled: 1,
    active: 2,
    expired: 3,
    voided: 4,
    spent: 5
  },
  hold_status: {
    open: 1,
    settled: 2,
    released: 3,
    expired: 4
  },
  freeze: {
    none: 0,
    operator: 1,
    reconcile: 2,
    quarantine: 3,
    dispute: 4
  },
  reason: {
    balance: 1,
    held_in_flight: 2,
    overage: 3,
    frozen: 4,
    too_many_holds: 5,
    budget: 6
  },
  bound: {
    balance: 1,
    grants: 2,
    amount: 3
  },
  limit: {
    amount_atoms: 1000000000000000,
    balance_atoms: 4503599627370496,
    open_holds: 10000,
    hold_legs: 8,
    grants: 1000,
    scopes: 255,
    due_events: 16,
    expire_batch: 100,
    late_keep_ms: 3600000,
    overdue_scan: 256,
    quantity_units: 1000000000000,
    counter_units: 1000000000000000,
    usage_keep_ms: 86400000
  },
  never_ms: 4503599627370496,
  far_ms: 253402300799000
} as const;
