-- Open holds of a wallet: one record each, in a hash of their own so that the wallet stays small.
--
-- A record is the first leg's asset, what was set aside in all, is still held, was settled, came back; when the hold
-- was opened and when it ends; then where the held money was taken from: grant number and atoms, in the order first
-- taken. Where a grant's number would be 0, another leg begins: its asset, the same numbers, its rate, and its own
-- sources; or, where its asset would be 0, a budget's tag; or, where the budget's number would be 0, the scopes that
-- cover all of what was asked for. So most holds are as short as if there were none of these.
local budgets = require('budgets')
local codes = require('codes')
local entries = require('entry')
local grants = require('grants')
local wallets = require('wallet')

local holds = {}

local TERMS = '>Hdddddd'
local TERMS_LENGTH = 50
local TERMS_AND_SOURCE = '>HddddddI4d'
local SOURCE = '>I4d'
local SOURCE_LENGTH = 12
local NEXT_LEG = '>I4Hdddddd'
local NEXT_LEG_LENGTH = 54
-- Not shorter than a source.
local SCOPES = '>I4HHI4'
local SCOPES_LENGTH = 12
-- Of what is not there; never added to.
local NONE = {}

-- From `from` on: number and atoms in turn.
local function pack_sources(sources, from)
  local packed = ''
  for i = from, #sources, 2 do
    packed = packed .. struct.pack(SOURCE, sources[i], sources[i + 1])
  end
  return packed
end

function holds.pack(hold)
  local first = hold.legs[1]
  local sources = first.sources
  local packed = struct.pack(
    sources[1] and TERMS_AND_SOURCE or TERMS,
    first.asset,
    first.amount,
    first.held,
    first.settled,
    first.released,
    hold.created_at_ms,
    hold.expires_at_ms,
    sources[1],
    sources[2]
  )
  if sources[3] then
    packed = packed .. pack_sources(sources, 3)
  end
  for i = 2, #hold.legs do
    local leg = hold.legs[i]
    packed = packed
      .. struct.pack(NEXT_LEG, 0, leg.asset, leg.amount, leg.held, leg.settled, leg.released, leg.num, leg.den)
      .. pack_sources(leg.sources, 1)
  end
  if hold.tags_packed then
    packed = packed .. hold.tags_packed
  elseif hold.tags[1] then
    packed = packed .. budgets.pack_tags(hold.tags)
  end
  if hold.scopes then
    packed = packed .. struct.pack(SCOPES, 0, 0, 0, #hold.scopes) .. string.char(unpack(hold.scopes))
  end
  return packed
end

-- A leg as it stands in a record; lib/dues.lua adds what a settle says of it.
local function make_leg(asset, amount, held, settled, released, num, den)
  return {
    asset = asset,
    amount = amount,
    held = held,
    settled = settled,
    released = released,
    num = num,
    den = den,
    sources = NONE,
    due = nil, -- a ninth, so that there is room for sixteen
  }
end

function holds.unpack(ref, packed)
  local asset, amount, held, settled, released, created_at_ms, expires_at_ms = struct.unpack(TERMS, packed)
  local leg = make_leg(asset, amount, held, settled, released, 1, 1)
  local hold = {
    ref = ref,
    legs = { leg },
    tags = NONE,
    created_at_ms = created_at_ms,
    expires_at_ms = expires_at_ms,
  }
  local at = TERMS_LENGTH + 1
  while at <= #packed do
    local grant_no, atoms = struct.unpack(SOURCE, packed, at)
    if grant_no > 0 and leg.sources == NONE then
      leg.sources = { grant_no, atoms }
      at = at + SOURCE_LENGTH
    elseif grant_no > 0 then
      leg.sources[#leg.sources + 1] = grant_no
      leg.sources[#leg.sources + 1] = atoms
      at = at + SOURCE_LENGTH
    elseif struct.unpack('>I4', packed, at + 4) == 0 then
      local _, _, _, count = struct.unpack(SCOPES, packed, at)
      hold.scopes = { string.byte(packed, at + SCOPES_LENGTH, at + SCOPES_LENGTH + count - 1) }
      at = at + SCOPES_LENGTH + count
    elseif struct.unpack('>H', packed, at + 4) == 0 then
      if hold.tags == NONE then
        hold.tags = { nil, nil, nil, nil }
      end
      hold.tags[#hold.tags + 1], at = budgets.read_tag(packed, at)
    else
      local _, of, leg_amount, leg_held, leg_settled, leg_released, num, den = struct.unpack(NEXT_LEG, packed, at)
      leg = make_leg(of, leg_amount, leg_held, leg_settled, leg_released, num, den)
      hold.legs[#hold.legs + 1] = leg
      at = at + NEXT_LEG_LENGTH
    end
  end
  return hold
end

-- Take more into a leg of a hold. A grant that it took from before stays in its place, so a hold never has more sources
-- than its wallet has grants.
function holds.take(wallet, entry, leg, atoms)
  local account = wallets.account(wallet, leg.asset)
  local taken = grants.take(wallet, entry, account, atoms, true, leg.parts)
  entries.transfer(entry, account, codes.account.available, codes.account.held, atoms)
  leg.held = leg.held + atoms
  if not leg.sources or #leg.sources == 0 then
    leg.sources = taken
    return
  end
  local place_of = {}
  for i = 1, #leg.sources, 2 do
    place_of[leg.sources[i]] = i
  end
  for i = 1, #taken, 2 do
    local place = place_of[taken[i]]
    if place then
      leg.sources[place + 1] = leg.sources[place + 1] + taken[i + 1]
    else
      leg.sources[#leg.sources + 1] = taken[i]
      leg.sources[#leg.sources + 1] = taken[i + 1]
    end
  end
end

-- Open a hold: each of its legs is taken from its account, which has been seen to have that much, and counts in
-- budgets. `scopes` cover all of it; nil where none covers any.
function holds.open(wallet, entry, list, sent, ttl_ms, scopes)
  for i = 1, #list do
    holds.take(wallet, entry, list[i], list[i].amount)
  end
  wallet.open_holds = wallet.open_holds + 1
  holds.keep(wallet, entry, {
    -- Numbered by the version it makes; the epoch keeps numbers apart that a lost Redis gave out before.
    ref = string.format('%d.%d', wallet.epoch, wallet.version + 1),
    legs = list,
    tags_packed = budgets.hold(sent, entry, list),
    scopes = scopes,
    created_at_ms = wallet.now_ms,
    expires_at_ms = wallet.now_ms + ttl_ms,
  }, true)
end

-- An open hold, or nil.
function holds.read(holds_key, ref)
  local packed = redis.call('HGET', holds_key, ref)
  return packed and holds.unpack(ref, packed)
end

-- Take one hold of the ledger's at `at`; returns where the next one begins.
function holds.load(wallet, packed, at)
  local ref, record, next_at = struct.unpack('>Bc0Hc0', packed, at)
  wallets.add(wallet, 'holds', ref, record)
  holds.count(wallet, holds.unpack(ref, record))
  return next_at
end

-- One more open hold, with its deadline.
function holds.count(wallet, hold)
  wallets.add(wallet, 'deadlines', string.format('%d', hold.expires_at_ms), wallet.id .. hold.ref)
  wallet.open_holds = wallet.open_holds + 1
end

-- The hold stays open, as it is now; its deadline is written where it moved.
function holds.keep(wallet, entry, hold, deadline_moved)
  entry.hold_ref = hold.ref
  entry.hold_status = codes.hold_status.open
  entry.hold_packed = holds.pack(hold)
  wallets.add(wallet, 'holds', hold.ref, entry.hold_packed)
  if deadline_moved then
    wallets.add(wallet, 'deadlines', string.format('%d', hold.expires_at_ms), wallet.id .. hold.ref)
  end
end

-- The hold ends: what it still holds goes back, and it leaves Redis with this entry.
function holds.close(wallet, entry, hold, status)
  local leaving
  for i = 1, #hold.legs do
    local leg = hold.legs[i]
    leg.released = leg.released + leg.held
    leg.held = 0
    leaving = grants.give_back(wallet, entry, leg, leaving)
  end
  budgets.give_back(wallet, entry, hold.tags)
  entry.hold_ref = hold.ref
  entry.hold_status = status
  entry.hold_packed = holds.pack(hold)
  wallets.add(wallet, 'holds_gone', hold.ref)
  wallets.add(wallet, 'deadlines_gone', wallet.id .. hold.ref)
  wallet.open_holds = wallet.open_holds - 1
  entries.append(wallet, entry)
  if leaving then
    grants.leave(wallet, leaving)
  end
end

-- The hold's deadline has passed: it expires.
function holds.expire(wallet, hold)
  local account = wallets.account(wallet, hold.legs[1].asset)
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
