-- What falls due in a wallet: grants that start, grants that expire. Read only when something is due.
--
-- The list is a string of instants and grant numbers, soonest first. A grant that ended before its time stays
-- in it until its turn comes, and is passed over then.
local codes = require('codes')
local entries = require('entry')
local grants = require('grants')
local wallets = require('wallet')

local due = {}

local EVENT = '>dI4'
local EVENT_LENGTH = 12

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

local function expire(wallet, grant_no, terms, at_ms)
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
