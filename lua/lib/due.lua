-- What falls due in a wallet: grants that start, roll over, expire. Read only when something is due.
--
-- The list is a string of instants and grant numbers, soonest first. A grant that ended before its time stays
-- in it until its turn comes, and is passed over then.
local codes = require('codes')
local entries = require('entry')
local exact = require('exact')
local grants = require('grants')
local wallets = require('wallet')

local due = {}

local EVENT = '>dI4'
local EVENT_LENGTH = 12
-- Of what a grant has left when it expires: so many millionths, at most so many atoms, live on until then.
local ROLLOVER = '>ddd'
local MILLION = 1000000

local function load(wallet)
  wallet.due = wallet.due or redis.call('HGET', wallet.key, 'd') or ''
end

local function soonest(wallet)
  if wallet.due == '' then
    return codes.never_ms
  end
  return (struct.unpack(EVENT, wallet.due))
end

-- Forget the events of grants that have ended: what is kept stays in proportion to the grants that live.
local function prune(wallet)
  local kept = {}
  for at = 1, #wallet.due, EVENT_LENGTH do
    local _, grant_no = struct.unpack(EVENT, wallet.due, at)
    if wallets.terms(wallet, grant_no) then
      kept[#kept + 1] = string.sub(wallet.due, at, at + EVENT_LENGTH - 1)
    end
  end
  wallet.due = table.concat(kept)
end

-- Add an instant at which a grant starts or expires.
function due.add(wallet, at_ms, grant_no)
  load(wallet)
  if #wallet.due > EVENT_LENGTH * 2 * (wallet.live_grants + codes.limit.due_events) then
    prune(wallet)
  end
  local at = #wallet.due
  while at > 0 and struct.unpack(EVENT, wallet.due, at - EVENT_LENGTH + 1) > at_ms do
    at = at - EVENT_LENGTH
  end
  wallet.due = string.sub(wallet.due, 1, at) .. struct.pack(EVENT, at_ms, grant_no) .. string.sub(wallet.due, at + 1)
  wallet.due_at_ms = soonest(wallet)
end

-- The instants of a grant that lives: at which it starts, where it is to come, and at which it expires.
function due.add_grant(wallet, grant_no, terms)
  if terms.state == codes.grant_state.scheduled then
    due.add(wallet, terms.effective_at_ms, grant_no)
  end
  if terms.state <= codes.grant_state.active and terms.expires_at_ms < codes.never_ms then
    due.add(wallet, terms.expires_at_ms, grant_no)
  end
end

local function activate(wallet, grant_no, terms, at_ms)
  local account = wallets.account(wallet, terms.asset)
  local entry = entries.begin(codes.kind.activate_grant, account)
  account.scheduled = account.scheduled - terms.amount
  account.changed = true
  entry.at_ms = at_ms
  grants.fund(wallet, entry, account, grant_no, terms)
  entries.append(wallet, entry)
end

-- A grant's rollover, as it is packed; false: there is none, or it was.
local function rollover_of(wallet, grant_no)
  wallet.rollovers = wallet.rollovers or {}
  if wallet.rollovers[grant_no] == nil then
    wallet.rollovers[grant_no] = redis.call('HGET', wallet.key, string.format('r%d', grant_no))
  end
  return wallet.rollovers[grant_no]
end

function due.set_rollover(wallet, grant_no, packed)
  wallet.rollovers = wallet.rollovers or {}
  wallet.rollovers[grant_no] = packed
  wallet.rollovers_changed = wallet.rollovers_changed or {}
  wallet.rollovers_changed[grant_no] = true
end

-- A grant's period is over, and a part of what it has left lives on. What is held stays the grant's, too.
local function roll_over(wallet, grant_no, terms, packed, at_ms)
  local account = wallets.account(wallet, terms.asset)
  local entry = entries.begin(codes.kind.roll_over_grant, account)
  local grant = wallets.grant(wallet, grant_no)
  local parts, most, until_ms = struct.unpack(ROLLOVER, packed)
  local share = exact.multiply_divide(grant.remaining, parts, MILLION)
  local kept = math.min(share, most)
  if kept == 0 and grant.held == 0 then
    return false
  end
  entries.transfer(entry, account, codes.account.available, codes.account.expired, grant.remaining - kept)
  grants.leave_order(wallet, account, grant_no)
  grant.remaining = kept
  entries.touch(entry, grant)
  terms.expires_at_ms = until_ms
  terms.changed = true
  due.set_rollover(wallet, grant_no, false)
  if kept > 0 then
    grants.enter_order(wallet, account, grant_no)
  end
  if until_ms < codes.never_ms then
    due.add(wallet, until_ms, grant_no)
  end
  entry.grant_no = grant_no
  entry.at_ms = at_ms
  entries.append(wallet, entry)
  return true
end

local function expire(wallet, grant_no, terms, at_ms)
  local rollover = rollover_of(wallet, grant_no)
  if rollover and roll_over(wallet, grant_no, terms, rollover, at_ms) then
    return
  end
  local account = wallets.account(wallet, terms.asset)
  local entry = entries.begin(codes.kind.expire_grant, account)
  local grant = wallets.grant(wallet, grant_no)
  entries.transfer(entry, account, codes.account.available, codes.account.expired, grant.remaining)
  grants.leave_order(wallet, account, grant_no)
  grant.remaining = 0
  entries.touch(entry, grant)
  terms.state = codes.grant_state.expired
  terms.changed = true
  entry.grant_no = grant_no
  entry.at_ms = at_ms
  entries.append(wallet, entry)
end

-- Apply what is due, soonest first, at most `codes.limit.due_events`; returns how many, and whether that was all.
function due.apply_some(wallet)
  load(wallet)
  local applied = 0
  while soonest(wallet) <= wallet.now_ms and applied < codes.limit.due_events do
    local at_ms, grant_no = struct.unpack(EVENT, wallet.due)
    wallet.due = string.sub(wallet.due, EVENT_LENGTH + 1)
    local terms = wallets.terms(wallet, grant_no)
    if terms and terms.state == codes.grant_state.scheduled and terms.effective_at_ms <= at_ms then
      activate(wallet, grant_no, terms, math.max(at_ms, terms.created_at_ms))
      -- Where the list lacked its start, this is its end.
      terms = wallets.terms(wallet, grant_no)
    end
    if terms and terms.state == codes.grant_state.active and terms.expires_at_ms <= at_ms then
      expire(wallet, grant_no, terms, math.max(at_ms, terms.created_at_ms))
    end
    applied = applied + 1
  end
  wallet.due_at_ms = soonest(wallet)
  return applied, wallet.due_at_ms > wallet.now_ms
end

-- Apply all that is due before the caller's own work; false when that is too much for one call.
function due.apply(wallet)
  local _, done = due.apply_some(wallet)
  return done
end

return due
