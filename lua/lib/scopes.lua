-- Scoped grants: credit that only some events can spend. Entered only where a wallet has such grants, or where an event
-- is covered by a scope of the wallet.
--
-- A scope is a number of its wallet's; what it covers, the gateway knows. Grants of one scope stand in an order of
-- their own, `o<asset>.<scope>`, after the sum of what they have left. What is asked for comes in parts, one for each
-- group of lines that the same scopes cover; a part takes from the unscoped order and from those of its scopes as if
-- they were one. So nothing that a part may not spend is ever read.
local codes = require('codes')
local entries = require('entry')
local order = require('order')
local usage = require('usage')
local wallets = require('wallet')

local scopes = {}

local NUMBER_LENGTH = order.NUMBER_LENGTH
local SUM = '>d'
local SUM_LENGTH = 8

-- The grants of one scope in an account: `sum` of what they have left, and their `order`.
local function of(wallet, account, scope)
  account.scopes = account.scopes or {}
  local list = account.scopes[scope]
  if not list then
    list = { field = string.format('o%d.%d', account.asset, scope), sum = 0, order = '' }
    local packed = not wallet.made_anew and redis.call('HGET', wallet.key, list.field)
    if packed then
      list.sum = struct.unpack(SUM, packed)
      list.order = string.sub(packed, SUM_LENGTH + 1)
    end
    account.scopes[scope] = list
  end
  return list
end

function scopes.pack(list)
  return struct.pack(SUM, list.sum) .. list.order
end

-- An order that is made anew: nothing stands in it.
function scopes.clear(account, field)
  account.scopes = account.scopes or {}
  local scope = tonumber(string.match(field, '%d+$'))
  account.scopes[scope] = { field = field, sum = 0, order = '', changed = true }
end

-- What grants of a scope have left changed by so much.
function scopes.add(wallet, account, scope, atoms)
  local list = of(wallet, account, scope)
  list.sum = list.sum + atoms
  list.changed = true
  account.scoped = account.scoped + atoms
  account.changed = true
end

-- A grant gets its place, with all that it has left.
function scopes.enter(wallet, account, grant_no)
  local scope = wallets.terms(wallet, grant_no).scope
  local list = of(wallet, account, scope)
  list.order = order.insert(wallet, list.order, grant_no)
  scopes.add(wallet, account, scope, wallets.grant(wallet, grant_no).remaining)
end

-- A grant loses its place, with all that it has left.
function scopes.leave(wallet, account, grant_no)
  local scope = wallets.terms(wallet, grant_no).scope
  local list = of(wallet, account, scope)
  local rest = order.remove(list.order, grant_no)
  if rest then
    list.order = rest
    scopes.add(wallet, account, scope, -wallets.grant(wallet, grant_no).remaining)
  end
end

local function read_scopes(packed, at)
  local count = string.byte(packed, at)
  return { string.byte(packed, at + 1, at + count) }, at + count + 1
end

-- What a request says of scopes: `B scopes × B number` that cover all of it; then parts, `H asset, d atoms, B scopes ×
-- B number` each, which make up what is asked for in each asset. Legs get their parts; returns what covers all.
function scopes.read(packed, legs)
  local common, at = read_scopes(packed, 1)
  while at <= #packed do
    local asset, atoms, scopes_at = struct.unpack('>Hd', packed, at)
    local part = { atoms = atoms }
    part.scopes, at = read_scopes(packed, scopes_at)
    for _, leg in ipairs(legs) do
      if leg.asset == asset then
        leg.parts = leg.parts or {}
        leg.parts[#leg.parts + 1] = part
      end
    end
  end
  return common
end

-- The order among these whose first grant is spent first, and that grant's number.
local function soonest(wallet, lists)
  local found, found_no, found_terms
  for _, list in ipairs(lists) do
    if list.at <= #list.of.order then
      local grant_no = struct.unpack('>I4', list.of.order, list.at)
      local terms = wallets.terms(wallet, grant_no)
      if not found or order.comes_before(terms, grant_no, found_terms, found_no) then
        found, found_no, found_terms = list, grant_no, terms
      end
    end
  end
  return found, found_no
end

-- Go through the grants that each part would take, and say of each part how much it `got`. Nothing is taken yet:
-- returns the orders with where they have been come to, and grant numbers and atoms in turn.
local function walk(wallet, account, parts)
  local walked, taken, place_of = {}, {}, {}
  local function list_of(scope)
    local list = walked[scope]
    if not list then
      list = { of = scope == 0 and account or of(wallet, account, scope), at = 1 }
      walked[scope] = list
    end
    return list
  end
  for _, part in ipairs(parts) do
    local lists = { list_of(0) }
    for _, scope in ipairs(part.scopes) do
      lists[#lists + 1] = list_of(scope)
    end
    part.got = 0
    while part.got < part.atoms do
      local list, grant_no = soonest(wallet, lists)
      if not list then
        break
      end
      local left = list.left or wallets.grant(wallet, grant_no).remaining
      local atoms = math.min(part.atoms - part.got, left)
      part.got = part.got + atoms
      if atoms == left then
        list.at, list.left = list.at + NUMBER_LENGTH, nil
      else
        list.left = left - atoms
      end
      local place = place_of[grant_no]
      if not place then
        place = #taken + 1
        place_of[grant_no], taken[place], taken[place + 1] = place, grant_no, 0
      end
      taken[place + 1] = taken[place + 1] + atoms
    end
  end
  return walked, taken
end

local function total(parts)
  local atoms = 0
  for _, part in ipairs(parts) do
    atoms = atoms + part.got
  end
  return atoms
end

-- How much of these parts is available.
function scopes.reach(wallet, account, parts)
  if parts[2] then
    walk(wallet, account, parts)
    return total(parts)
  end
  local part = parts[1]
  local available = account.available - account.scoped
  for _, scope in ipairs(part.scopes) do
    available = available + of(wallet, account, scope).sum
  end
  part.got = math.min(part.atoms, available)
  return available
end

-- Of parts that got something, so much in all, first ones first; and what is left of them, and of what they lack.
function scopes.split(parts, atoms)
  local first, rest = {}, {}
  for _, part in ipairs(parts) do
    -- Nothing was asked for: nobody has looked what there is.
    local mine = math.min(atoms, part.got or 0)
    atoms = atoms - mine
    first[#first + 1] = { atoms = mine, scopes = part.scopes, own = part.own }
    rest[#rest + 1] = { atoms = part.atoms - mine, scopes = part.scopes, own = part.own }
  end
  return first, rest
end

-- As grants.take. The parts were looked at before (scopes.reach), and get as much of it as is taken in all.
function scopes.take(wallet, entry, account, atoms, into_hold, parts)
  local walked, sources = walk(wallet, account, (scopes.split(parts, atoms)))
  for i = 1, #sources, 2 do
    local grant = wallets.grant(wallet, sources[i])
    grant.remaining = grant.remaining - sources[i + 1]
    if into_hold then
      grant.held = grant.held + sources[i + 1]
    end
    entries.touch(entry, grant)
    local scope = wallets.terms(wallet, sources[i]).scope
    if scope > 0 then
      scopes.add(wallet, account, scope, -sources[i + 1])
    end
  end
  for _, list in pairs(walked) do
    if list.at > 1 then
      list.of.order = string.sub(list.of.order, list.at)
      -- One is an account, which has other changes.
      list.of.changed, list.of.order_changed = true, true
    end
  end
  return sources
end

local function covers(wallet, part, grant_no)
  local scope = wallets.terms(wallet, grant_no).scope
  if part.own or scope == 0 then
    return true
  end
  for _, number in ipairs(part.scopes) do
    if number == scope then
      return true
    end
  end
  return false
end

-- Go through what each part would spend of what a leg of a hold holds, first taken first; returns what its sources
-- keep, and what goes, as they are written.
local function walk_held(wallet, leg, parts)
  local left, gone = {}, {}
  for i, value in ipairs(leg.sources) do
    left[i] = value
  end
  for _, part in ipairs(parts) do
    part.got = 0
    for i = 1, #left, 2 do
      local atoms = math.min(part.atoms - part.got, left[i + 1])
      if atoms > 0 and covers(wallet, part, left[i]) then
        part.got = part.got + atoms
        left[i + 1] = left[i + 1] - atoms
        gone[#gone + 1] = left[i]
        gone[#gone + 1] = atoms
      end
    end
  end
  local rest = {}
  for i = 1, #left, 2 do
    if left[i + 1] > 0 then
      rest[#rest + 1] = left[i]
      rest[#rest + 1] = left[i + 1]
    end
  end
  return rest, gone
end

-- At settling: each leg of a hold gets its parts. By an event (`packed` says by what it is covered), what the hold took
-- from scoped grants counts only as far as these cover it; by an amount, it is for the event that was authorized.
function scopes.assign(hold, packed, lines, by_event)
  local common = packed ~= '' and scopes.read(packed, hold.legs) or {}
  usage.add_to_parts(lines, hold.legs)
  local own = hold.scopes and not by_event
  if own then
    common = hold.scopes
  end
  for i, leg in ipairs(hold.legs) do
    leg.parts = leg.parts or { { atoms = leg.due or 0, scopes = own and common or {}, own = own } }
    if i > 1 and leg.num > 0 then
      -- What it gives for the first.
      leg.parts[#leg.parts + 1] = { atoms = codes.limit.balance_atoms, scopes = common, own = own }
    end
  end
end

-- Of what a leg is due beyond what it gives, but for `covered` atoms that other legs give: how much is available. What
-- the leg gives comes from there, too, where the settle is late.
function scopes.beyond(wallet, account, leg, covered, late)
  local given, rest = scopes.split(leg.parts, leg.part)
  local missing = leg.excess
  leg.beyond = {}
  for _, part in ipairs(rest) do
    local skipped = math.min(covered, part.atoms)
    covered = covered - skipped
    part.atoms = math.min(part.atoms - skipped, missing)
    missing = missing - part.atoms
    leg.beyond[#leg.beyond + 1] = part
  end
  local all = late and given or {}
  for _, part in ipairs(leg.beyond) do
    all[#all + 1] = part
  end
  walk(wallet, account, all)
  return total(leg.beyond)
end

-- How much of these parts a leg of a hold holds.
function scopes.held(wallet, leg, parts)
  walk_held(wallet, leg, parts)
  return total(parts)
end

-- As grants.spend_held, for parts that were looked at before (scopes.held).
function scopes.spend_held(wallet, entry, leg, atoms)
  local rest, gone = walk_held(wallet, leg, (scopes.split(leg.parts, atoms)))
  for i = 1, #gone, 2 do
    local grant = wallets.grant(wallet, gone[i])
    grant.held = grant.held - gone[i + 1]
    entries.touch(entry, grant)
  end
  leg.sources = rest
end

return scopes
