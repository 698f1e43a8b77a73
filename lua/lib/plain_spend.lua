-- The usual hold and the usual charge (lib/plain.lua): one amount, from the grants that are spent first.
local budgets = require('budgets')
local codes = require('codes')
local counters = require('counters')
local plain = require('plain')
local plain_budgets = require('plain_budgets')

local plain_spend = {}

local AVAILABLE, HELD, REVENUE = codes.account.available, codes.account.held, codes.account.revenue
-- As lib/entry.lua has them: one transfer, and how many grants moved, with the number of the first; no terms of a
-- grant; one operation. No counters; no terms and no hold; a hold that is open, after its ref.
local ONE_MOVE, MOVES, MOVE, NO_TERMS = '>BBBdHI4', '>BBBdH', '>I4dd', '\0\0\0\0'
local OPERATION = '>Bc0c11H'
local NO_COUNTERS, NO_HOLD, OPEN, OPEN_AND_SHORT = '\0', '\0\0\0\0\0', '\1', '\1\0\62'
-- As lib/holds.lua has it: with one source, which is 62 bytes; and without.
local HOLD, HOLD_AND_SOURCES, SOURCE = '>HddddddI4d', '>Hdddddd', '>I4d'
-- As lib/operation.lua has them: the numbers of a reply, with their count, after the status and a zero; what is told
-- follows between two.
local HOLD_NUMBERS, CHARGE_NUMBERS = '>Bddddddd', '>Bdddddd'
local GRANTS_MAX = 8

-- As `take`, for a hold from several grants.
local function take_from_several(wallet_key, order, atoms)
  local names = { nil, nil, nil, nil, nil, nil, nil, nil }
  for at = 1, math.min(#order, 4 * GRANTS_MAX), 4 do
    names[#names + 1] = string.format('g%d', (struct.unpack('>I4', order, at)))
  end
  local found = redis.call('HMGET', wallet_key, unpack(names))
  local changed = { nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil }
  local moves = { nil, nil, nil, nil, nil, nil, nil, nil }
  local sources = { nil, nil, nil, nil, nil, nil, nil, nil }
  local missing, n, left_at = atoms, 0, 1
  while missing > 0 do
    n = n + 1
    if n > #names then
      return nil
    end
    local grant_no = struct.unpack('>I4', order, 4 * n - 3)
    local remaining, held = struct.unpack('>dd', found[n])
    local part = missing
    if remaining <= missing then
      part, left_at = remaining, 4 * n + 1
    end
    missing, remaining, held = missing - part, remaining - part, held + part
    changed[n + n - 1], changed[n + n] = names[n], struct.pack('>dd', remaining, held)
    moves[n], sources[n] = struct.pack(MOVE, grant_no, remaining, held), struct.pack(SOURCE, grant_no, part)
  end
  local transfer = struct.pack(MOVES, 1, AVAILABLE, HELD, atoms, n)
  local order_left = string.sub(order, left_at)
  return transfer, table.concat(moves), changed[1], changed[2], 0, table.concat(sources), changed, order_left
end

-- So much from the grants that are spent first: the entry's transfer and its moves; of the first one its field, its
-- bytes and its number; where there are several, 0 for that, a hold's sources, all fields and bytes, and what is left
-- of the order. Nil where it is not as usual.
local function take(wallet_key, order, atoms, is_hold)
  local grant_no = struct.unpack('>I4', order)
  local field = string.format('g%d', grant_no)
  local remaining, held = struct.unpack('>dd', redis.call('HGET', wallet_key, field))
  if remaining <= atoms and is_hold then
    return take_from_several(wallet_key, order, atoms)
  elseif remaining <= atoms then
    -- It leaves the wallet.
    return nil
  end
  local grant = struct.pack('>dd', remaining - atoms, is_hold and held + atoms or held)
  local transfer = struct.pack(ONE_MOVE, 1, AVAILABLE, is_hold and HELD or REVENUE, atoms, 1, grant_no)
  return transfer, grant, field, grant, grant_no
end

-- It counts in budgets: the counters that change, names and bytes in turn; the same as an entry has them; a hold's
-- tags.
-- Nil where one refuses, or its window is another.
local function count(wallet_key, now_ms, packed, asset_no, atoms, is_hold)
  local changed, counted, tags = plain_budgets.count(wallet_key, now_ms, packed, asset_no, atoms, is_hold)
  if changed then
    return changed, counted, tags
  end
  local wallet, entry = { key = wallet_key, now_ms = now_ms }, {}
  local sent = budgets.open(wallet, packed)
  if not sent or budgets.tightest(sent, asset_no) < atoms or (not is_hold and budgets.has_thresholds(sent)) then
    return nil
  end
  if is_hold then
    tags = budgets.hold(sent, entry, { { asset = asset_no, amount = atoms } })
  else
    budgets.charge(sent, entry, asset_no, atoms)
  end
  counted, changed = counters.pack(entry), {}
  counters.add_fields(wallet, changed)
  return changed, counted, tags
end

-- Whether the gateway goes by what is so: lib/stale.lua says what it means.
local function is_current(fields, config_version, catalog_key, catalog_version, environment)
  return (fields[5] or '0') == config_version
    and (catalog_version == '' or redis.call('HGET', catalog_key, environment) == catalog_version)
end

-- Each returns what commit.lua writes, and the reply as it is remembered; nil where this is for the long way.
function plain_spend.hold(
  wallet_key,
  outbox_key,
  catalog_key,
  fields,
  clock,
  redis_ms,
  environment,
  config_version,
  catalog_version,
  asset,
  take_atoms,
  budgets_packed,
  told_text,
  ttl_ms,
  operation_id,
  fingerprint,
  keep_ms,
  attached
)
  if take_atoms <= 0 or not is_current(fields, config_version, catalog_key, catalog_version, environment) then
    return nil
  end
  local asset_no = tonumber(asset)
  local head, account, clock_after, entry_head, balances, version, seq, epoch, now_ms, available_atoms, held_atoms, id =
    plain.move(wallet_key, fields, clock, redis_ms, environment, codes.kind.hold, asset_no, -take_atoms, take_atoms, 1)
  if not head then
    return nil
  end
  local transfer, moves, grant_field, grant, grant_no, sources, grants, order_left =
    take(wallet_key, fields[3], take_atoms, true)
  if not transfer then
    return nil
  end
  local counters_changed, counted, tags = nil, NO_COUNTERS, ''
  if budgets_packed ~= '' then
    counters_changed, counted, tags = count(wallet_key, now_ms, budgets_packed, asset_no, take_atoms, true)
    if not counters_changed then
      return nil
    end
  end
  local created_at_ms, expires_at_ms = now_ms, now_ms + ttl_ms
  local ref = string.format('%d.%d', epoch, version)
  local hold, hold_begins
  if grant_no > 0 then
    hold = struct.pack(HOLD, asset_no, take_atoms, take_atoms, 0, 0, created_at_ms, expires_at_ms, grant_no, take_atoms)
    hold_begins = OPEN_AND_SHORT
  else
    hold = struct.pack(HOLD_AND_SOURCES, asset_no, take_atoms, take_atoms, 0, 0, created_at_ms, expires_at_ms)
      .. sources
  end
  if tags ~= '' or grants then
    hold = hold .. tags
    hold_begins = OPEN .. struct.pack('>H', #hold)
  end
  local reply = 'approved\0'
    .. struct.pack(HOLD_NUMBERS, 7, take_atoms, available_atoms, held_atoms, created_at_ms, version, epoch, seq)
    .. '\0'
    .. told_text
    .. '\0'
  local ready = {
    wallet_key,
    outbox_key,
    string.format('%d-0', seq),
    entry_head
      .. balances
      .. transfer
      .. moves
      .. NO_TERMS
      .. string.char(#ref)
      .. ref
      .. hold_begins
      .. hold
      .. counted
      .. struct.pack(OPERATION, #operation_id, operation_id, fingerprint, #reply)
      .. reply
      .. attached,
    clock_after,
    keep_ms ~= '0' and fingerprint .. reply,
    keep_ms,
    ref,
    hold,
    string.format('%d', expires_at_ms),
    id .. ref,
    'w',
    head,
    'a' .. asset,
    account,
    grant_field,
    grant,
    -- Room for more.
    nil,
    nil,
    nil,
    nil,
    nil,
    nil,
    nil,
    nil,
  }
  if grants or counters_changed then
    plain.add(ready, asset, grants, order_left, counters_changed)
  end
  return ready, reply
end

function plain_spend.charge(
  wallet_key,
  outbox_key,
  catalog_key,
  fields,
  clock,
  redis_ms,
  environment,
  config_version,
  catalog_version,
  asset,
  take_atoms,
  budgets_packed,
  told_text,
  operation_id,
  fingerprint,
  keep_ms,
  attached
)
  if take_atoms <= 0 or not is_current(fields, config_version, catalog_key, catalog_version, environment) then
    return nil
  end
  local asset_no = tonumber(asset)
  local head, account, clock_after, entry_head, balances, version, seq, epoch, now_ms, available_atoms, held_atoms =
    plain.move(wallet_key, fields, clock, redis_ms, environment, codes.kind.charge, asset_no, -take_atoms, 0, 0)
  if not head then
    return nil
  end
  local transfer, moves, grant_field, grant = take(wallet_key, fields[3], take_atoms, false)
  if not transfer then
    return nil
  end
  local counters_changed, counted = nil, NO_COUNTERS
  if budgets_packed ~= '' then
    counters_changed, counted = count(wallet_key, now_ms, budgets_packed, asset_no, take_atoms, false)
    if not counters_changed then
      return nil
    end
  end
  local reply = 'charged\0'
    .. struct.pack(CHARGE_NUMBERS, 6, take_atoms, available_atoms, held_atoms, version, epoch, seq)
    .. '\0'
    .. told_text
    .. '\0'
  local ready = {
    wallet_key,
    outbox_key,
    string.format('%d-0', seq),
    entry_head .. balances .. transfer .. moves .. NO_HOLD .. counted .. struct.pack(
      OPERATION,
      #operation_id,
      operation_id,
      fingerprint,
      #reply
    ) .. reply .. attached,
    clock_after,
    keep_ms ~= '0' and fingerprint .. reply,
    keep_ms,
    false,
    false,
    false,
    false,
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
  if counters_changed then
    plain.add(ready, asset, nil, nil, counters_changed)
  end
  return ready, reply
end

return plain_spend
