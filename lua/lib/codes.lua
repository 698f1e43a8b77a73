-- The numbers that scripts, entries and TypeScript agree on; the generator copies them to TypeScript.
local codes = {}

-- What an entry says happened. Never renumber: the ledger keeps these for ever.
codes.kind = {
  grant = 1,
  schedule_grant = 2,
  activate_grant = 3,
  hold = 4,
  extend = 5,
  settle = 6,
  release = 7,
  expire_hold = 8,
  charge = 9,
  expire_grant = 10,
  void_grant = 11,
  freeze = 12,
  unfreeze = 13,
  budget_alert = 14,
  roll_over_grant = 15,
  refund = 16,
}

-- The accounts of the double entry. The first three are the wallet's own, the others belong to its environment.
codes.account = {
  available = 1,
  held = 2,
  overage = 3,
  funding = 4,
  revenue = 5,
  expired = 6,
  voided = 7,
  refunded = 8,
}

-- In consumption order: what was given away goes before what was paid for.
codes.purpose = { promotional = 1, bundled = 2, paid = 3 }

codes.grant_state = { scheduled = 1, active = 2, expired = 3, voided = 4, spent = 5 }

codes.hold_status = { open = 1, settled = 2, released = 3, expired = 4 }

codes.freeze = { none = 0, operator = 1, reconcile = 2, quarantine = 3, dispute = 4 }

-- Why a request was declined.
codes.reason = { balance = 1, held_in_flight = 2, overage = 3, frozen = 4, too_many_holds = 5, budget = 6 }

-- Which bound a grant or a settlement would break.
codes.bound = { balance = 1, grants = 2, amount = 3 }

codes.limit = {
  -- One amount: a million of an asset with nine decimals.
  amount_atoms = 1000000000000000,
  -- One balance: the largest whole number that stays exact through a sum of two in a double.
  balance_atoms = 4503599627370496,
  open_holds = 10000,
  -- Assets of one hold or charge. Each costs a read, a write and 54 bytes: more than a product falls back on, or than
  -- one event has lines in, and so few that a call with all of them is still short.
  hold_legs = 8,
  -- Live and scheduled grants of a wallet: what one read of a wallet has to carry.
  grants = 1000,
  -- Scopes of a wallet: a grant's terms have a byte for its own.
  scopes = 255,
  -- Due events that one call applies before its own work; more ask for a call of their own.
  due_events = 16,
  -- Overdue holds that one call expires.
  expire_batch = 100,
  -- How long a late settle is known to Redis: far longer than the drain may take to tell the ledger.
  late_keep_ms = 3600000,
  -- Overdue holds that a decline looks through before it says no.
  overdue_scan = 256,
  -- The usage of one event, in whole units: more than any meter counts at once.
  quantity_units = 1000000000000,
  -- All usage of a period: a thousand of the largest events, and still a whole number in a double.
  counter_units = 1000000000000000,
  -- How long after a window what was used in it is still counted there: as long as a hold may be open without an
  -- extension.
  usage_keep_ms = 86400000,
}

-- Later than any instant: a wallet with nothing due, a grant that never expires.
codes.never_ms = 4503599627370496
-- Where a hold has no deadline, this is it: the end of the year 9999, an instant that every clock and calendar can say.
codes.far_ms = 253402300799000

return codes
