-- Open holds of a wallet: one record each, in a hash of their own so that the wallet stays small.
--
-- A record is the asset, what was set aside in all, is still held, was settled, came back, when it was opened
-- and when it ends, then where the held money was taken from: grant number and atoms, in the order first taken.
local codes = require('codes')
local entries = require('entry')
local grants = require('grants')

local holds = {}

local TERMS = '>Hdddddd'
local TERMS_LENGTH = 50
local SOURCE = '>I4d'
local SOURCE_LENGTH = 12

function holds.pack(hold)
  local parts = {
    struct.pack(
      TERMS,
      hold.asset,
      hold.amount,
      hold.held,
      hold.settled,
      hold.released,
      hold.created_at_ms,
      hold.expires_at_ms
    ),
  }
  for i = 1, #hold.sources, 2 do
    parts[#parts + 1] = struct.pack(SOURCE, hold.sources[i], hold.sources[i + 1])
  end
  return table.concat(parts)
end

function holds.unpack(ref, packed)
  local hold = { ref = ref, sources = {} }
  hold.asset, hold.amount, hold.held, hold.settled, hold.released, hold.created_at_ms, hold.expires_at_ms =
    struct.unpack(TERMS, packed)
  for at = TERMS_LENGTH + 1, #packed, SOURCE_LENGTH do
    local grant_no, atoms = struct.unpack(SOURCE, packed, at)
    hold.sources[#hold.sources + 1] = grant_no
    hold.sources[#hold.sources + 1] = atoms
  end
  return hold
end

-- More was taken for a hold. A grant that it took from before stays in its place, so a hold never has more sources than
-- its wallet has grants.
function holds.add_sources(hold, taken)
  local place_of = {}
  for i = 1, #hold.sources, 2 do
    place_of[hold.sources[i]] = i
  end
  for i = 1, #taken, 2 do
    local place = place_of[taken[i]]
    if place then
      hold.sources[place + 1] = hold.sources[place + 1] + taken[i + 1]
    else
      hold.sources[#hold.sources + 1] = taken[i]
      hold.sources[#hold.sources + 1] = taken[i + 1]
    end
  end
end

-- An open hold, or nil.
function holds.read(holds_key, ref)
  local packed = redis.call('HGET', holds_key, ref)
  return packed and holds.unpack(ref, packed)
end

-- Take one hold of the ledger's at `at`; returns where the next one begins.
function holds.load(wallet, packed, at)
  local ref, record, next_at = struct.unpack('>Bc0Hc0', packed, at)
  local hold = holds.unpack(ref, record)
  wallet.holds[#wallet.holds + 1] = ref
  wallet.holds[#wallet.holds + 1] = record
  wallet.deadlines[#wallet.deadlines + 1] = string.format('%d', hold.expires_at_ms)
  wallet.deadlines[#wallet.deadlines + 1] = wallet.id .. ref
  wallet.open_holds = wallet.open_holds + 1
  return next_at
end

-- The hold stays open, as it is now; its deadline is written where it moved.
function holds.keep(wallet, entry, hold, deadline_moved)
  entry.hold_ref = hold.ref
  entry.hold_status = codes.hold_status.open
  entry.hold_packed = holds.pack(hold)
  wallet.holds[#wallet.holds + 1] = hold.ref
  wallet.holds[#wallet.holds + 1] = entry.hold_packed
  if deadline_moved then
    wallet.deadlines[#wallet.deadlines + 1] = string.format('%d', hold.expires_at_ms)
    wallet.deadlines[#wallet.deadlines + 1] = wallet.id .. hold.ref
  end
end

-- The hold ends: what it still holds goes back, and it leaves Redis with this entry.
function holds.close(wallet, entry, hold, status)
  hold.released = hold.released + hold.held
  hold.held = 0
  local leaving = grants.give_back(wallet, entry, hold)
  entry.hold_ref = hold.ref
  entry.hold_status = status
  entry.hold_packed = holds.pack(hold)
  wallet.holds_gone[#wallet.holds_gone + 1] = hold.ref
  wallet.deadlines_gone[#wallet.deadlines_gone + 1] = wallet.id .. hold.ref
  wallet.open_holds = wallet.open_holds - 1
  entries.append(wallet, entry)
  grants.leave(wallet, entry.account, leaving)
end

-- The hold's deadline has passed: it expires.
function holds.expire(wallet, account, hold)
  holds.close(wallet, entries.begin(codes.kind.expire_hold, account), hold, codes.hold_status.expired)
end

-- Refs of this wallet's holds whose deadline has passed but that the sweep has not reached yet, joined by spaces.
function holds.overdue(wallet, deadlines_key)
  local members =
    redis.call('ZRANGE', deadlines_key, '-inf', wallet.now_ms, 'BYSCORE', 'LIMIT', 0, codes.limit.overdue_scan)
  local refs = {}
  for _, member in ipairs(members) do
    if string.sub(member, 1, #wallet.id) == wallet.id and #member > #wallet.id then
      refs[#refs + 1] = string.sub(member, #wallet.id + 1)
    end
  end
  return table.concat(refs, ' ')
end

return holds
