-- Taking money from grants in consumption order, and giving it back.
--
-- The order of an account is a string of grant numbers, four bytes each, of the grants that have something
-- left; taking reads from its head, and a grant that runs empty leaves it. Scoped grants stand in orders of their own,
-- and lib/scopes.lua, which is entered for them alone, takes from several orders as if they were one.
local codes = require('codes')
local entries = require('entry')
local order = require('order')
local wallets = require('wallet')

local grants = {}

local AVAILABLE, HELD, OVERAGE = codes.account.available, codes.account.held, codes.account.overage
local NUMBER_LENGTH = order.NUMBER_LENGTH
-- Of what is not there; never added to.
local NONE = {}

-- Put a grant that has something left in its place.
function grants.enter_order(wallet, account, grant_no)
  if wallets.terms(wallet, grant_no).scope > 0 then
    return require('scopes').enter(wallet, account, grant_no)
  end
  account.order = order.insert(wallet, account.order, grant_no)
  account.order_changed = true
end

-- Take a grant out of the order, wherever it stands, with all that it has left.
function grants.leave_order(wallet, account, grant_no)
  if wallets.terms(wallet, grant_no).scope > 0 then
    return require('scopes').leave(wallet, account, grant_no)
  end
  local rest = order.remove(account.order, grant_no)
  if rest then
    account.order = rest
    account.order_changed = true
  end
end

-- Take `atoms` of what is available: into a hold, or for good. Returns where from: number, atoms, number, atoms …
-- Without `parts` it is for what no scope covers; with them, for so much of each as it can have.
function grants.take(wallet, entry, account, atoms, into_hold, parts)
  if parts then
    return require('scopes').take(wallet, entry, account, atoms, into_hold, parts)
  end
  local sources
  local at = 1
  local missing = atoms
  while missing > 0 do
    local grant_no = struct.unpack('>I4', account.order, at)
    local grant = wallets.grant(wallet, grant_no)
    local part = math.min(missing, grant.remaining)
    missing = missing - part
    grant.remaining = grant.remaining - part
    if into_hold then
      grant.held = grant.held + part
    end
    entries.touch(entry, grant)
    if sources then
      local n = #sources
      sources[n + 1], sources[n + 2] = grant_no, part
    else
      sources = { grant_no, part }
    end
    if grant.remaining == 0 then
      at = at + NUMBER_LENGTH
    end
  end
  if at > 1 then
    account.order = string.sub(account.order, at)
    account.order_changed = true
  end
  return sources or NONE
end

-- Spend `atoms` of what one leg of a hold holds, first taken first; its sources keep the rest.
function grants.spend_held(wallet, entry, leg, atoms)
  if leg.parts then
    return require('scopes').spend_held(wallet, entry, leg, atoms)
  end
  local sources, rest = leg.sources, NONE
  for i = 1, #sources, 2 do
    local part = math.min(atoms, sources[i + 1])
    atoms = atoms - part
    if part > 0 then
      local grant = wallets.grant(wallet, sources[i])
      grant.held = grant.held - part
      entries.touch(entry, grant)
    end
    if sources[i + 1] > part and rest == NONE then
      rest = { sources[i], sources[i + 1] - part }
    elseif sources[i + 1] > part then
      rest[#rest + 1] = sources[i]
      rest[#rest + 1] = sources[i + 1] - part
    end
  end
  leg.sources = rest
end

-- What stands in an account's order is active and not scoped: nobody needs to read its terms.
local function stands_first(account, grant_no)
  return account.order ~= '' and struct.unpack('>I4', account.order) == grant_no
end

-- Give back all that one leg of a hold still holds, last taken first. Overage is repaid before anything gets available,
-- but not by what is scoped: it pays for what its scope covers, and nothing says that this was it.
--
-- What went to grants that have ended meanwhile must leave again by entries of their own: returns their numbers, after
-- those that were `leaving` already; nil where there are none.
function grants.give_back(wallet, entry, leg, leaving)
  local account = wallets.account(wallet, leg.asset)
  for i = #leg.sources - 1, 1, -2 do
    local grant_no, atoms = leg.sources[i], leg.sources[i + 1]
    local grant = wallets.grant(wallet, grant_no)
    local scope, is_active = 0, true
    if not stands_first(account, grant_no) then
      local terms = wallets.terms(wallet, grant_no)
      scope, is_active = terms.scope, terms.state == codes.grant_state.active
    end
    local repaid = scope > 0 and 0 or math.min(account.overage, atoms)
    local back = atoms - repaid
    grant.held = grant.held - atoms
    entries.touch(entry, grant)
    entries.transfer(entry, account, HELD, OVERAGE, repaid)
    entries.transfer(entry, account, HELD, AVAILABLE, back)
    if back > 0 then
      grant.remaining = grant.remaining + back
      if not is_active then
        leaving = leaving or {}
        leaving[#leaving + 1] = grant_no
      elseif grant.remaining == back then
        grants.enter_order(wallet, account, grant_no)
      elseif scope > 0 then
        require('scopes').add(wallet, account, scope, back)
      end
    end
  end
  leg.sources = NONE
  return leaving
end

-- What came back to grants that have ended leaves again, each by an entry of its own.
function grants.leave(wallet, leaving)
  for i = 1, #leaving do
    local grant_no = leaving[i]
    local terms = wallets.terms(wallet, grant_no)
    local account = wallets.account(wallet, terms.asset)
    local voided = terms.state == codes.grant_state.voided
    local entry = entries.begin(voided and codes.kind.void_grant or codes.kind.expire_grant, account)
    local grant = wallets.grant(wallet, grant_no)
    local to = voided and codes.account.voided or codes.account.expired
    entries.transfer(entry, account, AVAILABLE, to, grant.remaining)
    grant.remaining = 0
    entries.touch(entry, grant)
    entry.grant_no = grant_no
    entries.append(wallet, entry)
  end
end

-- Fund a grant's amount into its account: overage is repaid first, unless the grant is scoped; the rest can be spent.
function grants.fund(wallet, entry, account, grant_no, terms)
  local repaid = terms.scope > 0 and 0 or math.min(account.overage, terms.amount)
  entries.transfer(entry, account, codes.account.funding, OVERAGE, repaid)
  entries.transfer(entry, account, codes.account.funding, AVAILABLE, terms.amount - repaid)
  local grant = { no = grant_no, field = string.format('g%d', grant_no), remaining = terms.amount - repaid, held = 0 }
  wallets.put_grant(wallet, grant)
  terms.state = codes.grant_state.active
  terms.changed = true
  entries.touch(entry, grant)
  entry.grant_no = grant_no
  if grant.remaining > 0 then
    grants.enter_order(wallet, account, grant_no)
  end
  return grant
end

return grants
