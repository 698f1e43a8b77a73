-- What usage costs that is counted over a period: src/pricing/cost.ts in Lua, since Redis keeps the counter.
--
-- F(q) is what q units cost when all of them are priced together. A line costs roundUp(F(used + quantity)) - billed,
-- and never less than nothing: so pieces cost what the whole does. Quantities are two numbers, units and millionths of
-- one. `used` and `billed` are the counter, which the caller keeps.
--
-- A packed line is what is added, and the price (src/pricing/pack.ts writes it; big-endian):
--   d units, I4 millionths
--   B volume (else graduated), I4 size of a package (0: none), I4 per, H tiers, B limbs of a rate
--   tiers * { d up_to units, I4 up_to millionths, d flat atoms, limbs * I4 rate }
-- A rate is millionths of an atom for each `per` units. The last tier ends where counting does. Packages are counted in
-- whole ones, then priced like units.
local codes = require('codes')
local exact = require('exact')

local tiers = {}

local HEAD = '>dI4BI4I4HB'
local TIER = '>dI4d'
local TIER_LENGTH = 20
local LIMB_LENGTH = 4
local MILLION = 1000000
local ATOMS_MAX = codes.limit.balance_atoms

local function read(packed)
  local line = { packed = packed }
  line.units, line.millionths, line.volume, line.size, line.per, line.count, line.limbs, line.at =
    struct.unpack(HEAD, packed)
  return line
end

-- Where a tier ends, the amount due when it is entered, and its rate.
local function read_tier(line, no)
  local at = line.at + (no - 1) * (TIER_LENGTH + LIMB_LENGTH * line.limbs)
  local units, millionths, flat = struct.unpack(TIER, line.packed, at)
  return units, millionths, flat, exact.read(line.packed, at + TIER_LENGTH, line.limbs)
end

local function is_before(units, millionths, other_units, other_millionths)
  return units < other_units or (units == other_units and millionths < other_millionths)
end

local function add_part(sum, rate, units, millionths, from_units, from_millionths)
  local part = exact.of(units - from_units)
  -- Perhaps below zero: carrying evens that out, since the whole is not.
  table.insert(part, 1, millionths - from_millionths)
  exact.add_product(sum, part, rate)
end

-- Millionths of a unit times millionths of an atom are two limbs more than atoms.
local function round_up(line, sum, flats)
  local atoms = exact.divide_up(sum, 2, line.per)
  if not atoms or atoms + flats > ATOMS_MAX then
    return nil
  end
  return atoms + flats
end

local function graduated_total(line, units, millionths)
  local sum, flats = {}, 0
  local from_units, from_millionths = 0, 0
  for no = 1, line.count do
    local to_units, to_millionths, flat, rate = read_tier(line, no)
    flats = flats + flat
    if not is_before(to_units, to_millionths, units, millionths) then
      add_part(sum, rate, units, millionths, from_units, from_millionths)
      break
    end
    add_part(sum, rate, to_units, to_millionths, from_units, from_millionths)
    from_units, from_millionths = to_units, to_millionths
  end
  return round_up(line, sum, flats)
end

-- The greatest total from one usage to another: at the latter, or where a tier ends before it.
local function volume_total(line, from_units, from_millionths, units, millionths)
  local most = 0
  for no = 1, line.count do
    local to_units, to_millionths, flat, rate = read_tier(line, no)
    local is_last = not is_before(to_units, to_millionths, units, millionths)
    if is_last then
      to_units, to_millionths = units, millionths
    end
    if not is_before(to_units, to_millionths, from_units, from_millionths) then
      local sum = {}
      add_part(sum, rate, to_units, to_millionths, 0, 0)
      local atoms = round_up(line, sum, flat)
      if not atoms then
        return nil
      end
      most = math.max(most, atoms)
    end
    if is_last then
      break
    end
  end
  return most
end

-- The most that roundUp(F) comes to from one usage to another; nil when it is past any balance.
local function total(line, from_units, from_millionths, units, millionths)
  if line.volume == 1 then
    return volume_total(line, from_units, from_millionths, units, millionths)
  end
  if line.size > 0 then
    local rest = units % line.size
    local is_started = rest > 0 or millionths > 0
    return graduated_total(line, (units - rest) / line.size + (is_started and 1 or 0), 0)
  end
  return graduated_total(line, units, millionths)
end

-- The counter after the line; nil when a period does not count so far.
local function advance(line, used_units, used_millionths)
  local units, millionths = used_units + line.units, used_millionths + line.millionths
  if millionths >= MILLION then
    units, millionths = units + 1, millionths - MILLION
  end
  if is_before(codes.limit.counter_units, 0, units, millionths) then
    return nil
  end
  return units, millionths
end

local function due(total_atoms, billed_atoms)
  local atoms = total_atoms and math.max(0, total_atoms - billed_atoms)
  if not atoms or atoms > codes.limit.amount_atoms then
    return nil
  end
  return atoms
end

-- What the line costs, then units and millionths used with it; nil when one of them is too large.
function tiers.cost(packed, used_units, used_millionths, billed_atoms)
  local line = read(packed)
  local units, millionths = advance(line, used_units, used_millionths)
  local atoms = units and due(total(line, units, millionths, units, millionths), billed_atoms)
  if not atoms then
    return nil
  end
  return atoms, units, millionths
end

-- What was used costs by itself: what counts as billed where a price takes over from another; nil when it is too large.
function tiers.total(packed, used_units, used_millionths)
  return total(read(packed), used_units, used_millionths, used_units, used_millionths)
end

-- The most that any usage up to the line's can cost; nil when that is too large.
function tiers.most(packed, used_units, used_millionths, billed_atoms)
  local line = read(packed)
  local units, millionths = advance(line, used_units, used_millionths)
  return units and due(total(line, used_units, used_millionths, units, millionths), billed_atoms)
end

return tiers
