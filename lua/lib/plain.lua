-- The usual hold, charge and settle, from what is stored to what is written.
--
-- A short cut and nothing more. It reads, and says no to whatever is not that usual: to a wallet that is due, frozen or
-- in debt, a charge that empties a grant, a budget that refuses, a trigger that fires. Nothing has happened then, and
-- the long way decides. What it makes ready is, byte for byte, what grants.lua, holds.lua, entry.lua and seal.lua make
-- in a dozen steps and as many tables, for twice the instructions (figures in ARCHITECTURE.md): there is what the bytes
-- mean. test/scripts.short-ways.test.ts goes both ways, and compares every reply and all that is stored.
--
-- Redis's Lua hashes each byte of each string that it makes, and an instruction of its own costs 40 of the processor's:
-- hence few strings, few calls, and numbers packed many at a time.
--
-- This is what the three share: lib/plain_spend.lua, lib/plain_settle.lua.
local codes = require('codes')

local plain = {}

-- As lib/wallet.lua has them: the head of a wallet; an account, which may go on with what of it is scoped and with a
-- trigger.
local META = '>ddI4HHBc12'
local ACCOUNT = '>dddd'
local ACCOUNT_LENGTH, SCOPED_LENGTH = 32, 40
local WALLET_ID_LENGTH = 22
-- As lib/entry.lua has it, up to its only leg's account.
local ENTRY = '>BBBBddI4c12c22BH'
local FORMAT = 1

-- The next version of a wallet, in which so much came to what is available, held, and to the number of open holds. Nil
-- where anything is not as usual. Returns what is written of wallet, account and clock; how the entry begins, and goes
-- on; and version, seq, epoch, time, what is available and held, the wallet's id.
function plain.move(wallet_key, fields, clock, redis_ms, environment, kind, asset_no, available_by, held_by, holds_by)
  local account = fields[2]
  if not account or not fields[3] or fields[3] == '' then
    return nil
  end
  local version, due_at_ms, verified_epoch, open_holds, live_grants, freeze, own_environment =
    struct.unpack(META, fields[1])
  local seq, now_ms, epoch = struct.unpack('>ddd', clock)
  if redis_ms > now_ms then
    now_ms = redis_ms
  end
  if verified_epoch ~= epoch or environment ~= own_environment or freeze > 0 or due_at_ms <= now_ms then
    return nil
  elseif fields[4] and now_ms < tonumber(fields[4]) then
    return nil
  end
  local available, held, overage, scheduled = struct.unpack(ACCOUNT, account)
  available, held, open_holds = available + available_by, held + held_by, open_holds + holds_by
  if available < 0 or overage > 0 or open_holds > codes.limit.open_holds then
    return nil
  end
  version, seq = version + 1, seq + 1
  local balances = struct.pack(ACCOUNT, available, held, overage, scheduled)
  local account_after = balances
  if #account > ACCOUNT_LENGTH then
    local unscoped = available - struct.unpack('>d', account, ACCOUNT_LENGTH + 1)
    if unscoped < 0 or (#account > SCOPED_LENGTH and unscoped < struct.unpack('>d', account, SCOPED_LENGTH + 1)) then
      return nil
    end
    account_after = balances .. string.sub(account, ACCOUNT_LENGTH + 1)
  end
  local wallet_id = string.sub(wallet_key, -WALLET_ID_LENGTH)
  local entry_head =
    struct.pack(ENTRY, FORMAT, kind, 0, freeze, version, now_ms, epoch, environment, wallet_id, 1, asset_no)
  local head = struct.pack(META, version, due_at_ms, epoch, open_holds, live_grants, freeze, environment)
  local clock_after = struct.pack('>ddd', seq, now_ms, epoch)
  return head, account_after, clock_after, entry_head, balances, version, seq, epoch, now_ms, available, held, wallet_id
end

-- What is written besides: more grants, and the order that is left of them; counters.
function plain.add(ready, asset, grants, order_left, counters_changed)
  local n = 17
  if grants then
    for i = 3, #grants do
      n = n + 1
      ready[n] = grants[i]
    end
    ready[n + 1], ready[n + 2] = 'o' .. asset, order_left
    n = n + 2
  end
  if counters_changed then
    for i = 1, #counters_changed do
      ready[n + i] = counters_changed[i]
    end
  end
end

return plain
