-- The usual budgets of the usual hold, charge and settle (lib/plain.lua): of one asset, by the periods of a calendar,
-- with no thresholds, and each with a counter that has the present window.
--
-- Whatever else there is, nothing has been counted, and budgets.lua does it: there is what the bytes mean.
local codes = require('codes')

local plain_budgets = {}

-- As lib/budgets.lua has them.
local SENT, SENT_LENGTH = '>HHBdddB', 30
local TAG, TAG_LENGTH = '>I4HHHdd', 26
local COUNTER, COUNTER_LENGTH = '>BddBddd', 42
-- A counter with another `held`; with both.
local HELD, SPENT_AND_HELD = '>c34d', '>c26dd'

-- Counters' names, and how an entry begins to tell of one. A budget's number is one of few, so they are kept.
local names_known, heads_known = {}, {}

local function know(no)
  local name = string.format('b%d', no)
  if no < 256 then
    names_known[no] = name
    heads_known[no] = struct.pack('>Bc0H', #name, name, COUNTER_LENGTH)
  end
  return name
end

local function head_of(no, name)
  return heads_known[no] or struct.pack('>Bc0H', #name, name, COUNTER_LENGTH)
end

-- So many atoms are held, or spent for good. Returns the counters that change, names and bytes in turn; the same as an
-- entry has them; and a hold's tags. Nil where it is not as usual, or a budget refuses.
function plain_budgets.count(wallet_key, now_ms, packed, asset_no, atoms, is_hold)
  if #packed % SENT_LENGTH > 0 then
    return nil
  end
  local names, n = { nil, nil, nil, nil }, 0
  for at = 1, #packed, SENT_LENGTH do
    local no = struct.unpack('>H', packed, at)
    n = n + 1
    names[n] = names_known[no] or know(no)
  end
  local found = redis.call('HMGET', wallet_key, unpack(names))
  local changed = { nil, nil, nil, nil, nil, nil, nil, nil }
  local counted, tags = { string.char(n), nil, nil, nil, nil, nil, nil, nil, nil }, { nil, nil, nil, nil }
  for i = 1, n do
    local counter = found[i]
    if not counter or #counter ~= COUNTER_LENGTH then
      return nil
    end
    local no, asset, hard, limit, from, till, thresholds_count = struct.unpack(SENT, packed, (i - 1) * SENT_LENGTH + 1)
    local told_count, _, width, thresholds_before, bucket, spent, held = struct.unpack(COUNTER, counter)
    if thresholds_count > 0 or asset ~= asset_no or till == 0 or now_ms < from or now_ms >= till then
      return nil
    elseif bucket ~= from or told_count > 0 or width > 0 or thresholds_before > 0 then
      return nil
    elseif (hard == 1 and limit - spent - held < atoms) or spent + atoms > codes.limit.balance_atoms then
      return nil
    end
    if is_hold then
      counter = struct.pack(HELD, counter, held + atoms)
      tags[i] = struct.pack(TAG, 0, 0, no, asset, bucket, atoms)
    else
      counter = struct.pack(SPENT_AND_HELD, counter, spent + atoms, held)
    end
    local name, at = names[i], i + i
    changed[at - 1], changed[at] = name, counter
    counted[at], counted[at + 1] = head_of(no, name), counter
  end
  return changed, table.concat(counted), table.concat(tags)
end

-- A hold is settled at `atoms`, and gives back the rest: what `count` returns, of the tags that begin at `at`.
function plain_budgets.settle(wallet_key, hold, at, asset_no, atoms)
  local names, n = { nil, nil, nil, nil }, 0
  for tag_at = at, #hold, TAG_LENGTH do
    local source_no, leg_asset, no = struct.unpack('>I4HH', hold, tag_at)
    -- More sources, other legs, scopes.
    if source_no > 0 or leg_asset > 0 or no == 0 then
      return nil
    end
    n = n + 1
    names[n] = names_known[no] or know(no)
  end
  local found = redis.call('HMGET', wallet_key, unpack(names))
  local changed = { nil, nil, nil, nil, nil, nil, nil, nil }
  local counted, tags = { string.char(n), nil, nil, nil, nil, nil, nil, nil, nil }, { nil, nil, nil, nil }
  for i = 1, n do
    local counter = found[i]
    if not counter or #counter ~= COUNTER_LENGTH then
      return nil
    end
    local _, _, no, asset, tag_bucket, tag_held = struct.unpack(TAG, hold, at + (i - 1) * TAG_LENGTH)
    local told_count, _, width, thresholds_count, bucket, spent, held = struct.unpack(COUNTER, counter)
    local part = atoms < tag_held and atoms or tag_held
    if asset ~= asset_no or tag_held <= 0 or bucket ~= tag_bucket or spent + part > codes.limit.balance_atoms then
      return nil
    elseif told_count > 0 or width > 0 or thresholds_count > 0 then
      return nil
    end
    counter = struct.pack(SPENT_AND_HELD, counter, spent + part, held - tag_held)
    tags[i] = struct.pack(TAG, 0, 0, no, asset, bucket, 0)
    local name, place = names[i], i + i
    changed[place - 1], changed[place] = name, counter
    counted[place], counted[place + 1] = head_of(no, name), counter
  end
  return changed, table.concat(counted), table.concat(tags)
end

return plain_budgets
