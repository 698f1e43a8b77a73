-- Lines whose price falls back: what the account in a line's asset does not cover is taken from other assets, each at
-- its rate. Entered only where a price says so.
--
-- Lines that do not fall back come first, as if there were no others. Then each of these, in their order, takes from
-- its own asset as far as that goes, then from the next one, and so on; what is left stays with its own asset, which
-- then has too little. A settle goes through what the hold holds, all lines, before it goes through the accounts: what
-- is left then is owed.
--
-- `num` atoms of an asset are one for `den` of the line's, as in lib/legs.lua. What a line takes of an asset is rounded
-- up once, also where a settle takes some of it from the hold and some from the account.
local codes = require('codes')
local legs = require('legs')
local usage = require('usage')
local wallets = require('wallet')

local fallback = {}

-- As sent: asset, atoms, the line in `lines_packed` whose cost comes on top (0: none); how many assets it falls back
-- on: asset, num and den each; by how many scopes it is covered: a byte each.
local LINE = '>HdBB'
local RATE = '>Hdd'

-- A line's rates begin with its own asset, one for one.
local function make_line(asset, atoms, scopes)
  local own = { asset = asset, num = 1, den = 1, covered = 0, taken = 0 }
  return { asset = asset, atoms = atoms, scopes = scopes, rates = { own } }
end

local function read(packed, priced)
  local lines, at = {}, 1
  while at <= #packed do
    local asset, atoms, priced_no, count
    asset, atoms, priced_no, count, at = struct.unpack(LINE, packed, at)
    local line = make_line(asset, atoms + (priced_no > 0 and priced[priced_no].atoms or 0))
    for i = 1, count do
      local rate = { covered = 0, taken = 0 }
      rate.asset, rate.num, rate.den, at = struct.unpack(RATE, packed, at)
      line.rates[i + 1] = rate
    end
    local scopes_count = string.byte(packed, at)
    line.scopes = { string.byte(packed, at + 1, at + scopes_count) }
    at = at + scopes_count + 1
    lines[#lines + 1] = line
  end
  return lines
end

-- Money that lines take from, one after the other: of an account, or of a leg of a hold. At most `left`; where scopes
-- matter, `look` says of the parts that were taken, and of one more, what each of them gets.
local function make_pool(left, parts, look)
  return { left = left, taken = 0, parts = parts, look = look }
end

-- How much of so many atoms is there. What is then taken must be said, if it is nothing.
local function reach(pool, atoms, scopes)
  atoms = math.min(atoms, pool.left)
  if not pool.parts then
    return atoms
  end
  local part = { atoms = atoms, scopes = scopes }
  pool.parts[#pool.parts + 1] = part
  pool.look(pool.parts)
  return part.got
end

local function take(pool, atoms)
  pool.left = pool.left - atoms
  pool.taken = pool.taken + atoms
  if pool.parts then
    local part = pool.parts[#pool.parts]
    part.atoms, part.got = atoms, atoms
  end
end

-- Take what a line costs from the pools of its assets, nil where there is none. Returns what is left of it.
local function draw(line, atoms, pool_of)
  for _, rate in ipairs(line.rates) do
    local pool = atoms > 0 and pool_of(rate.asset)
    if pool then
      local all = rate.covered + atoms
      local wanted = legs.convert(rate, all) - rate.taken
      local there = reach(pool, wanted, line.scopes)
      local covered = there == wanted and all or legs.covers(rate, rate.taken + there)
      local taken = legs.convert(rate, covered)
      take(pool, taken - rate.taken)
      atoms = all - covered
      rate.covered, rate.taken = covered, taken
    end
  end
  return atoms
end

-- Pools by asset, each made when first asked for.
local function pools_by(make)
  local pools = {}
  return function(asset)
    if pools[asset] == nil then
      pools[asset] = make(asset)
    end
    return pools[asset]
  end,
    pools
end

-- What remains of `of` in each leg for lines that do not fall back.
local function set_apart(list, lines, of)
  for _, line in ipairs(lines) do
    local leg = legs.of(list, line.asset)
    leg[of] = leg[of] - line.atoms
  end
end

-- What an account has beyond what its leg is asked for already. One that owes approves nothing, and has no more than
-- what is scoped.
local function ask_pool(wallet, leg, asset, is_scoped)
  local account = wallets.account(wallet, asset)
  if is_scoped then
    return make_pool(account.overage > 0 and 0 or codes.limit.balance_atoms, leg and leg.parts or {}, function(parts)
      require('scopes').reach(wallet, account, parts)
    end)
  end
  local left = account.available - account.scoped - (leg and leg.amount or 0)
  return make_pool(math.max(0, left))
end

-- Say of each leg what is asked for in its asset, with legs for the assets that lines fall back on. `is_scoped`: legs
-- have parts.
--
-- Where all lines are due in the first asset, `list.stood_in` is how much of it the other legs stand in for. Where too
-- little is there, `list.in_flight` is for how much of it what open holds hold would stand in.
function fallback.spread(wallet, list, packed, priced, is_scoped)
  local lines = read(packed, priced)
  local is_first_only, stood_in = not list[2], 0
  list.in_flight = 0
  set_apart(list, lines, 'amount')
  local pool_of = pools_by(function(asset)
    return ask_pool(wallet, legs.find(list, asset), asset, is_scoped)
  end)
  for _, line in ipairs(lines) do
    local left = draw(line, line.atoms, pool_of)
    if left > 0 then
      local own = line.rates[1]
      own.taken = own.taken + left
      if is_scoped then
        local parts = pool_of(line.asset).parts
        parts[#parts + 1] = { atoms = left, scopes = line.scopes }
      end
    end
    for i, rate in ipairs(line.rates) do
      if rate.taken > 0 then
        local leg = legs.of(list, rate.asset)
        leg.amount = leg.amount + rate.taken
        leg.parts = pool_of(rate.asset).parts
        if i > 1 and line.asset == list[1].asset and leg.num == 0 then
          leg.num, leg.den = rate.num, rate.den
        end
      end
      if i > 1 then
        stood_in = stood_in + rate.covered
        local in_flight = left > 0 and wallets.account(wallet, rate.asset).held or 0
        list.in_flight = list.in_flight + legs.covers(rate, in_flight)
      end
    end
  end
  list.stood_in = is_first_only and stood_in or nil
end

-- All lines of a settle: those that do not fall back, by what covers them, before the others.
local function all_lines(list, lines)
  local all = {}
  for _, leg in ipairs(list) do
    for _, part in ipairs(leg.parts or { { atoms = leg.due or 0, scopes = {} } }) do
      all[#all + 1] = make_line(leg.asset, part.atoms, part.scopes)
    end
    leg.parts = nil
  end
  for _, line in ipairs(lines) do
    all[#all + 1] = line
  end
  return all
end

-- What a leg has by the hold's terms: late, what came back, be it still there or not.
local function terms_pool(wallet, leg, is_scoped, late)
  if late or not is_scoped then
    return make_pool(late and leg.released or leg.held)
  end
  return make_pool(leg.held, {}, function(parts)
    require('scopes').held(wallet, leg, parts)
  end)
end

-- What it can give: late, what came back and is there.
local function held_pool(wallet, leg, is_scoped, late)
  if not late then
    return terms_pool(wallet, leg, is_scoped, late)
  end
  local account = wallets.account(wallet, leg.asset)
  if not is_scoped then
    return make_pool(math.min(leg.released, account.available - account.scoped))
  end
  return make_pool(leg.released, {}, function(parts)
    require('scopes').reach(wallet, account, parts)
  end)
end

-- What its account has beyond that. Late, what the leg gives comes from there, too.
local function account_pool(wallet, leg, asset, is_scoped, late)
  local account = wallets.account(wallet, asset)
  if not is_scoped then
    return make_pool(account.available - account.scoped - (late and leg and leg.part or 0))
  end
  local parts = { unpack(late and leg and leg.parts or {}) }
  local pool = make_pool(codes.limit.balance_atoms, parts, function(of)
    require('scopes').reach(wallet, account, of)
  end)
  pool.given = #parts
  return pool
end

-- Keep of each line what the hold's terms cover; or refuse.
function fallback.keep_within(all, pool_of, on_excess)
  local within, short = {}, nil
  for _, line in ipairs(all) do
    local left = draw(line, line.atoms, pool_of)
    within[line.asset] = (within[line.asset] or 0) + line.atoms - left
    short = short or (left > 0 and line)
    line.atoms = line.atoms - left
    for _, rate in ipairs(line.rates) do
      rate.covered, rate.taken = 0, 0
    end
  end
  if short and on_excess == 'reject' then
    local within_atoms, short_asset = within[short.asset], short.asset
    return { 'exceeds_hold', within_atoms, short_asset }
  end
end

-- What a settle takes of each leg: `part` of what it has, and beyond that an `excess`, `from_available` and
-- `from_overage`. Legs that were not there come with what is taken of their accounts. Or the refusal.
function fallback.plan(wallet, hold, packed, priced, scopes_packed, late, on_excess)
  local list, lines = hold.legs, read(packed, priced)
  local is_scoped = hold.scopes ~= nil or scopes_packed ~= ''
  if scopes_packed ~= '' then
    require('scopes').read(scopes_packed, list)
    usage.add_to_parts(priced, list)
  end
  set_apart(list, lines, 'due')
  local all = all_lines(list, lines)
  local function pools_of_legs(make)
    return pools_by(function(asset)
      local leg = legs.find(list, asset)
      return leg and make(wallet, leg, is_scoped, late) or false
    end)
  end
  if on_excess ~= 'charge' then
    local refusal = fallback.keep_within(all, pools_of_legs(terms_pool), on_excess)
    if refusal then
      return refusal
    end
  end
  local held_of, held = pools_of_legs(held_pool)
  for _, line in ipairs(all) do
    line.left = draw(line, line.atoms, held_of)
  end
  for _, leg in ipairs(list) do
    local pool = held[leg.asset] or { taken = 0 }
    leg.part, leg.parts = pool.taken, pool.parts
    leg.from_available, leg.from_overage = 0, 0
  end
  local account_of, accounts = pools_by(function(asset)
    return account_pool(wallet, legs.find(list, asset), asset, is_scoped, late)
  end)
  for _, line in ipairs(all) do
    local left = draw(line, line.left, account_of)
    for _, rate in ipairs(line.rates) do
      local pool = accounts[rate.asset]
      if pool and pool.taken > 0 then
        local leg = legs.of(list, rate.asset)
        leg.part, leg.from_overage = leg.part or 0, leg.from_overage or 0
        leg.from_available = pool.taken
        leg.beyond = pool.parts and { unpack(pool.parts, pool.given + 1) }
      end
    end
    local own = legs.of(list, line.asset)
    own.from_overage = own.from_overage + left
  end
  for _, leg in ipairs(list) do
    leg.excess = leg.from_available + leg.from_overage
  end
  if #list > codes.limit.hold_legs then
    return { 'too_many_assets' }
  end
end

return fallback
