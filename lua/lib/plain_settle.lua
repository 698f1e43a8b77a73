-- The usual settle (lib/plain.lua): at once, within what is held, of a hold that has one source, which goes on being
-- spent first.
local codes = require('codes')
local plain = require('plain')
local plain_budgets = require('plain_budgets')

local plain_settle = {}

local HELD, REVENUE, AVAILABLE = codes.account.held, codes.account.revenue, codes.account.available
-- As lib/holds.lua has it: a hold with one source, which tags may follow; and where it has none any more.
local HOLD, HOLD_LENGTH, ENDED, ENDED_LENGTH = '>HddddddI4d', 62, '>Hdddddd', 50
-- As lib/entry.lua has them: one transfer or two, the grant that moved; no terms of one; no counters.
local SPENT, SPENT_AND_BACK = '>BBBdHI4', '>BBBdBBdHI4'
local NO_TERMS, NO_COUNTERS = '\0\0\0\0', '\0'
local STATUS, OPERATION = '>BH', '>Bc0c11H'
-- As lib/operation.lua has it; see lib/plain_spend.lua.
local NUMBERS = '>Bdddddddddd'

-- Returns what commit.lua writes, and the reply as it is remembered; nil where this is for the long way.
function plain_settle.settle(
  wallet_key,
  holds_key,
  outbox_key,
  catalog_key,
  fields,
  clock,
  redis_ms,
  environment,
  config_version,
  catalog_version,
  asset,
  hold_ref,
  amount_atoms,
  told_text,
  operation_id,
  fingerprint,
  keep_ms,
  attached
)
  local found = redis.call('HGET', holds_key, hold_ref)
  if not found or #found < HOLD_LENGTH or amount_atoms <= 0 then
    return nil
  elseif catalog_version ~= '' and (fields[5] or '0') ~= config_version then
    return nil
  elseif catalog_version ~= '' and redis.call('HGET', catalog_key, environment) ~= catalog_version then
    return nil
  end
  local asset_no, taken, held, settled_atoms, released_atoms, created_at_ms, expires_at_ms, grant_no =
    struct.unpack(HOLD, found)
  local back_atoms = held - amount_atoms
  if back_atoms < 0 or grant_no == 0 or asset_no ~= tonumber(asset) then
    return nil
  end
  local head, account, clock_after, entry_head, balances, version, seq, epoch, now_ms, available_atoms, held_atoms, id =
    plain.move(wallet_key, fields, clock, redis_ms, environment, codes.kind.settle, asset_no, back_atoms, -held, -1)
  if not head or expires_at_ms <= now_ms or struct.unpack('>I4', fields[3]) ~= grant_no then
    return nil
  end
  local grant_field = string.format('g%d', grant_no)
  local remaining, grant_held = struct.unpack('>dd', redis.call('HGET', wallet_key, grant_field))
  local changed, counted, tags = nil, NO_COUNTERS, ''
  if #found > HOLD_LENGTH then
    changed, counted, tags = plain_budgets.settle(wallet_key, found, HOLD_LENGTH + 1, asset_no, amount_atoms)
    if not changed then
      return nil
    end
  end
  settled_atoms, released_atoms = settled_atoms + amount_atoms, released_atoms + back_atoms
  local grant = struct.pack('>dd', remaining + back_atoms, grant_held - held)
  local transfers
  if back_atoms > 0 then
    transfers = struct.pack(SPENT_AND_BACK, 2, HELD, REVENUE, amount_atoms, HELD, AVAILABLE, back_atoms, 1, grant_no)
  else
    transfers = struct.pack(SPENT, 1, HELD, REVENUE, amount_atoms, 1, grant_no)
  end
  local overage_atoms, late_flag, open_flag = 0, 0, 0
  local reply = 'settled\0'
    .. struct.pack(
      NUMBERS,
      10,
      settled_atoms,
      released_atoms,
      overage_atoms,
      available_atoms,
      held_atoms,
      late_flag,
      open_flag,
      version,
      epoch,
      seq
    )
    .. '\0'
    .. told_text
    .. '\0'
  local ready = {
    wallet_key,
    outbox_key,
    string.format('%d-0', seq),
    entry_head
      .. balances
      .. transfers
      .. grant
      .. NO_TERMS
      .. string.char(#hold_ref)
      .. hold_ref
      .. struct.pack(STATUS, codes.hold_status.settled, ENDED_LENGTH + #tags)
      .. struct.pack(ENDED, asset_no, taken, 0, settled_atoms, released_atoms, created_at_ms, expires_at_ms)
      .. tags
      .. counted
      .. struct.pack(OPERATION, #operation_id, operation_id, fingerprint, #reply)
      .. reply
      .. attached,
    clock_after,
    keep_ms ~= '0' and fingerprint .. reply,
    keep_ms,
    hold_ref,
    false,
    false,
    id .. hold_ref,
    'w',
    head,
    'a' .. asset,
    account,
    grant_field,
    grant,
    -- Room for counters.
    nil,
    nil,
    nil,
    nil,
    nil,
    nil,
    nil,
    nil,
  }
  if changed then
    plain.add(ready, asset, nil, nil, changed)
  end
  return ready, reply
end

return plain_settle
