-- A wallet in memory: opened from its hash, changed by the other modules, made ready to be written by seal.lua.
--
-- Fields of the hash, packed with `struct` (figures in ARCHITECTURE.md):
--   w        version, due_at_ms, epoch verified in, open holds, live grants, freeze, environment
--   c        the customer's id, for replies that start from a hold
--   a<asset> available, held, overage, scheduled; where there is any, how much of what is available is scoped; where a
--            top-up is armed, that in any case, the bound, and the number of the crossing: see lib/triggers.lua
--   o<asset> numbers of the grants with something left, in consumption order; of scoped ones lib/scopes.lua has others
--   g<no>    a grant's remaining and held
--   t<no>    a grant's terms: state, purpose, priority, scope (0: none), asset, amount, effective, expires, created
--   r<no>    how much of a grant lives on when it expires: see lib/due.lua
--   d        what falls due: instant and grant number, soonest first
--   b<no>    what a budget has counted; u<name> what a price has; m<asset> the last crossing of its bound; see
--            lib/budgets.lua, lib/usage.lua, lib/triggers.lua
--   n, x     version and text of the wallet's configuration: subscriptions, budgets; see lib/stale.lua
--   l        until when an operation that Redis does not know is looked up in the ledger: after a rebuilding
-- An untouched grant is never read, so a thousand of them cost what one costs.
local codes = require('codes')
local operation = require('operation')
local run = require('run')

local wallets = {}

local META = '>ddI4HHBc12'
local ACCOUNT = '>dddd'
local GRANT = '>dd'
local ACCOUNT_LENGTH = 32
local SCOPED = '>d'
local SCOPED_LENGTH = 8
local TRIGGER = '>dd'
local TRIGGER_LENGTH = 16
local TERMS = '>BBBBHdddd'
local TERMS_LENGTH = 38
local WALLET_ID_LENGTH = 22
-- What Farebox does by itself, such as expiring a hold, it does in every environment.
local ANY_ENVIRONMENT = '*'
-- What is known of the operation when it is called.
local NOT_IN_LEDGER, IN_LEDGER = '1', '2'

local function read_account(asset, field, packed, order)
  local available, held, overage, scheduled, scoped = 0, 0, 0, 0, 0
  local fires_below, crossing_no
  if packed then
    available, held, overage, scheduled = struct.unpack(ACCOUNT, packed)
    if #packed > ACCOUNT_LENGTH then
      scoped = struct.unpack(SCOPED, packed, ACCOUNT_LENGTH + 1)
      if #packed > ACCOUNT_LENGTH + SCOPED_LENGTH then
        fires_below, crossing_no = struct.unpack(TRIGGER, packed, ACCOUNT_LENGTH + SCOPED_LENGTH + 1)
      end
    end
  end
  return {
    asset = asset,
    field = field,
    available = available,
    held = held,
    overage = overage,
    scheduled = scheduled,
    scoped = scoped,
    fires_below = fires_below,
    crossing_no = crossing_no,
    order = order or '',
    changed = false,
    order_changed = false,
  }
end

wallets.unpack_account = read_account

local function unpack_terms(packed, at)
  local state, purpose, priority, scope, asset, amount, effective_at_ms, expires_at_ms, created_at_ms =
    struct.unpack(TERMS, packed, at)
  return {
    state = state,
    purpose = purpose,
    priority = priority,
    scope = scope,
    asset = asset,
    amount = amount,
    effective_at_ms = effective_at_ms,
    expires_at_ms = expires_at_ms,
    created_at_ms = created_at_ms,
  }
end

function wallets.id_of(wallet_key)
  return string.sub(wallet_key, -WALLET_ID_LENGTH)
end

-- All that a usual call sets stands in the constructor, and lists are made with what comes first in them, or with room
-- for it: a table that grows is laid out anew at its second, third, fifth, ninth … field, for some 1,500 instructions
-- each time, and 4,000 at the seventeenth.
--
-- After what the head says (META) comes where reading it stopped.
local function make(
  wallet_key,
  clock,
  redis_now_ms,
  version,
  due_at_ms,
  verified_epoch,
  open_holds,
  live_grants,
  freeze,
  environment
)
  local seq, clock_ms, epoch = struct.unpack('>ddd', clock)
  return {
    key = wallet_key,
    id = wallets.id_of(wallet_key),
    environment = environment,
    now_ms = math.max(redis_now_ms, clock_ms),
    epoch = epoch,
    verified_epoch = verified_epoch,
    seq = seq,
    version = version,
    -- What a "no" answers with: it writes nothing, not even what was due.
    stored_seq = seq,
    stored_version = version,
    config_version = '0',
    due_at_ms = due_at_ms,
    open_holds = open_holds,
    live_grants = live_grants,
    freeze = freeze,
    entries = { nil },
    account = false, -- the one that was asked for
    -- Made when there is something to put in: accounts (others, by asset), grants (by number: what a grant has left and
    -- holds), terms (by number), ended (by number: grants that leave the wallet), holds (refs and records, in turn),
    -- holds_gone, deadlines (instants and members, in turn), deadlines_gone; and by seal.lua what commit.lua writes.
    -- There are more than sixteen fields above, so there is room for a dozen of these.
  }
end

-- Put a value into one of a wallet's tables.
local function put(wallet, name, key, value)
  local known = wallet[name]
  if known then
    known[key] = value
  else
    wallet[name] = { [key] = value }
  end
end

-- Add to one of a wallet's lists: one value, or two.
function wallets.add(wallet, name, first, second)
  local list = wallet[name]
  if list then
    local n = #list
    list[n + 1], list[n + 2] = first, second
  else
    wallet[name] = { first, second }
  end
end

-- Whether an operation's record says what happened.
--
-- One of an earlier epoch may come from a script that Redis lost in the middle: record there, entry gone. The ledger
-- had all of that epoch before this one began, so it knows; but for a wallet in quarantine, whose entries it lacks.
local function is_good(record, clock, wallet_key, looked_up)
  local _, _, epoch = struct.unpack('>ddd', clock)
  if operation.epoch(record) == epoch or looked_up == IN_LEDGER then
    return true
  end
  local packed = redis.call('HGET', wallet_key, 'w')
  if not packed then
    return false
  end
  local _, _, _, _, _, freeze = struct.unpack(META, packed)
  return freeze == codes.freeze.quarantine
end

-- Fence, clock and operation first, then the head of the wallet and one account: as they are stored. Or nil and the
-- refusal.
function wallets.look(
  fence_key,
  clock_key,
  wallet_key,
  operation_key,
  fence,
  not_after_ms,
  fingerprint,
  asset,
  looked_up
)
  local found = redis.call('MGET', fence_key, clock_key, operation_key)
  local refusal = run.refusal(found[2] and found[1], fence_key, fence)
  if refusal then
    return nil, refusal
  end
  local time = redis.call('TIME')
  local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  if now_ms > not_after_ms then
    return nil, { 'late', now_ms }
  end
  if found[3] and is_good(found[3], found[2], wallet_key, looked_up) then
    return nil, operation.replay(found[3], fingerprint)
  elseif found[3] and looked_up ~= NOT_IN_LEDGER then
    return nil, { 'look_up' }
  end
  local fields = redis.call('HMGET', wallet_key, 'w', 'a' .. asset, 'o' .. asset, 'l', 'n')
  if not fields[1] then
    return nil, { 'absent' }
  end
  return fields, nil, found[2], now_ms
end

-- The wallet that `look` has seen; what is due is applied before the caller gets it. Or nil and the refusal.
function wallets.enter(wallet_key, fields, clock, now_ms, environment, asset, looked_up, leave_due)
  local wallet = make(wallet_key, clock, now_ms, struct.unpack(META, fields[1]))
  if environment ~= wallet.environment and environment ~= ANY_ENVIRONMENT then
    return nil, { 'missing' }
  end
  if wallet.verified_epoch ~= wallet.epoch then
    return nil, { 'absent' }
  end
  if fields[4] and looked_up ~= NOT_IN_LEDGER and wallet.now_ms < tonumber(fields[4]) then
    return nil, { 'look_up' }
  end
  if fields[5] then
    wallet.config_version = fields[5]
  end
  wallet.account = read_account(tonumber(asset), 'a' .. asset, fields[2], fields[3])
  if wallet.due_at_ms <= wallet.now_ms and not leave_due and not require('due').apply(wallet) then
    return nil, { 'due' }
  end
  return wallet
end

-- Both.
function wallets.open(
  fence_key,
  clock_key,
  wallet_key,
  operation_key,
  fence,
  not_after_ms,
  fingerprint,
  environment,
  asset,
  looked_up,
  leave_due
)
  local fields, refusal, clock, now_ms =
    wallets.look(fence_key, clock_key, wallet_key, operation_key, fence, not_after_ms, fingerprint, asset, looked_up)
  if not fields then
    return nil, refusal
  end
  local wallet
  wallet, refusal = wallets.enter(wallet_key, fields, clock, now_ms, environment, asset, looked_up, leave_due)
  return wallet, refusal
end

-- Look at a wallet without changing it: what is due must have been applied before.
function wallets.peek(fence_key, clock_key, wallet_key, fence, environment)
  local found = redis.call('MGET', fence_key, clock_key)
  local refusal = run.refusal(found[2] and found[1], fence_key, fence)
  if refusal then
    return nil, refusal
  end
  local packed = redis.call('HGET', wallet_key, 'w')
  if not packed then
    return nil, { 'absent' }
  end
  local time = redis.call('TIME')
  local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  local wallet = make(wallet_key, found[2], now_ms, struct.unpack(META, packed))
  if environment ~= wallet.environment and environment ~= ANY_ENVIRONMENT then
    return nil, { 'missing' }
  elseif wallet.verified_epoch ~= wallet.epoch then
    return nil, { 'absent' }
  elseif wallet.due_at_ms <= wallet.now_ms then
    return nil, { 'due' }
  end
  return wallet
end

-- Whether an operation that Redis does not know may be in the ledger all the same: the wallet was lost and rebuilt, or
-- has not been compared with the ledger in this epoch.
function wallets.must_look_up(packed, until_ms, clock)
  local _, _, verified_epoch = struct.unpack(META, packed)
  local _, clock_ms, epoch = struct.unpack('>ddd', clock)
  return verified_epoch ~= epoch or (until_ms and clock_ms < tonumber(until_ms))
end

-- Version, and the epoch that it was verified in.
function wallets.read_stamp(packed)
  local version, _, verified_epoch = struct.unpack(META, packed)
  return version, verified_epoch
end

-- The head of a wallet that was compared with the ledger, stamped with the present epoch.
function wallets.stamp(wallet_key, packed, clock)
  return make(wallet_key, clock, 0, struct.unpack(META, packed))
end

-- A wallet that is not in Redis yet, to be filled from the ledger.
function wallets.build(wallet_key, clock, environment, version, freeze)
  local wallet = make(wallet_key, clock, 0, version, codes.never_ms, 0, 0, 0, freeze, environment)
  wallet.made_anew = true
  return wallet
end

function wallets.put_grant(wallet, grant)
  put(wallet, 'grants', grant.no, grant)
end

function wallets.put_terms(wallet, grant_no, terms)
  put(wallet, 'terms', grant_no, terms)
end

-- A grant leaves the wallet for good: the rest of this call does not see it any more.
function wallets.end_grant(wallet, grant_no)
  put(wallet, 'ended', grant_no, true)
  wallet.live_grants = wallet.live_grants - 1
end

-- Take one account of the ledger's at `at`; returns where the next one begins.
function wallets.load_account(wallet, packed, at)
  local asset, next_at = struct.unpack('>H', packed, at)
  local fields = string.sub(packed, next_at, next_at + ACCOUNT_LENGTH - 1)
  local account = read_account(asset, string.format('a%d', asset), fields, '')
  account.changed = true
  put(wallet, 'accounts', asset, account)
  return next_at + ACCOUNT_LENGTH
end

-- Take one armed trigger of the ledger's at `at`; returns where the next one begins.
function wallets.load_trigger(wallet, packed, at)
  local asset, next_at = struct.unpack('>H', packed, at)
  local account = wallet.accounts and wallet.accounts[asset]
  if account then
    account.fires_below, account.crossing_no = struct.unpack(TRIGGER, packed, next_at)
  end
  return next_at + TRIGGER_LENGTH
end

-- Take one grant of the ledger's at `at`; returns its number and where the next one begins.
function wallets.load_grant(wallet, packed, at)
  local grant = { changed = true }
  grant.no, grant.remaining, grant.held, at = struct.unpack('>I4dd', packed, at)
  grant.field = string.format('g%d', grant.no)
  local terms = unpack_terms(packed, at)
  terms.changed = true
  wallets.put_terms(wallet, grant.no, terms)
  if terms.state ~= codes.grant_state.scheduled then
    wallets.put_grant(wallet, grant)
  end
  wallet.live_grants = wallet.live_grants + 1
  return grant.no, at + TERMS_LENGTH
end

-- The balance in one asset, read when first asked for.
function wallets.account(wallet, asset)
  local account = wallet.account
  if account and account.asset == asset then
    return account
  end
  account = wallet.accounts and wallet.accounts[asset]
  if not account then
    local field = string.format('a%d', asset)
    local fields = redis.call('HMGET', wallet.key, field, string.format('o%d', asset))
    account = read_account(asset, field, fields[1], fields[2])
    put(wallet, 'accounts', asset, account)
  end
  return account
end

-- What a grant has left and holds, read when first asked for; nil when it has ended.
function wallets.grant(wallet, grant_no)
  if wallet.ended and wallet.ended[grant_no] then
    return nil
  end
  local grant = wallet.grants and wallet.grants[grant_no]
  if not grant then
    -- '%d' costs half of what `..` does with a number.
    local field = string.format('g%d', grant_no)
    local packed = redis.call('HGET', wallet.key, field)
    if not packed then
      return nil
    end
    local remaining, held = struct.unpack(GRANT, packed)
    grant = { no = grant_no, field = field, remaining = remaining, held = held, changed = false, touched_by = false }
    wallets.put_grant(wallet, grant)
  end
  return grant
end

-- A grant's terms, read when first asked for; nil when it has ended.
function wallets.terms(wallet, grant_no)
  if wallet.ended and wallet.ended[grant_no] then
    return nil
  end
  local terms = wallet.terms and wallet.terms[grant_no]
  if not terms then
    local packed = redis.call('HGET', wallet.key, string.format('t%d', grant_no))
    if not packed then
      return nil
    end
    terms = unpack_terms(packed, 1)
    wallets.put_terms(wallet, grant_no, terms)
  end
  return terms
end

function wallets.pack_meta(wallet)
  return struct.pack(
    META,
    wallet.version,
    wallet.due_at_ms,
    wallet.epoch,
    wallet.open_holds,
    wallet.live_grants,
    wallet.freeze,
    wallet.environment
  )
end

function wallets.pack_account(account)
  local packed = struct.pack(ACCOUNT, account.available, account.held, account.overage, account.scheduled)
  if account.fires_below then
    return packed
      .. struct.pack(SCOPED, account.scoped)
      .. struct.pack(TRIGGER, account.fires_below, account.crossing_no)
  end
  return account.scoped > 0 and packed .. struct.pack(SCOPED, account.scoped) or packed
end

function wallets.pack_grant(grant)
  return struct.pack(GRANT, grant.remaining, grant.held)
end

function wallets.pack_terms(terms)
  return struct.pack(
    TERMS,
    terms.state,
    terms.purpose,
    terms.priority,
    terms.scope,
    terms.asset,
    terms.amount,
    terms.effective_at_ms,
    terms.expires_at_ms,
    terms.created_at_ms
  )
end

return wallets
