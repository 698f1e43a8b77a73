-- Triggers of automatic top-ups: an account that falls below a bound says so once, in the entry that took it there.
--
-- An armed account carries the bound and the number of the crossing that it waits for, at the end of its own record, so
-- that one without costs a comparison. Crossing the bound disarms it, in the same step: both are gone from the record,
-- and the number stands in the counter `m<asset>`, which the entry tells of. So however many requests follow, that
-- crossing is told once; arm_top_up.lua arms the next one, under a higher number. What may only be spent on some events
-- does not count: it is of no help to the others.
local counters = require('counters')

local triggers = {}

local NUMBER = '>I4'

local function pack(counter)
  return struct.pack(NUMBER, counter.crossing_no)
end

-- At the end of an entry that has this armed account among its legs.
function triggers.look(wallet, entry, account)
  if account.available - account.scoped >= account.fires_below then
    return
  end
  local read = wallet.counters_read or {}
  wallet.counters_read = read
  local counter = { name = string.format('m%d', account.asset), crossing_no = account.crossing_no }
  read[#read + 1] = counter
  counters.touch(entry, counter, pack)
  account.fires_below, account.crossing_no = nil, nil
  account.changed = true
end

-- The last crossing that was told, from its counter; 0: there was none.
function triggers.last_no(packed)
  return packed and (struct.unpack(NUMBER, packed)) or 0
end

return triggers
