-- From one asset into another, at so many units of it for one: src/pricing/convert.ts in Lua.
--
-- atoms * rate / (10^6 * unit): `rate` is limbs, in millionths of an atom of the other asset for a unit of the first,
-- and `unit` the atoms of a unit of the first, at most 10^9.
local codes = require('codes')
local exact = require('exact')

local convert = {}

local ATOMS_MAX = codes.limit.balance_atoms

-- What is due in the other asset for `atoms` of the first, rounded up; nil when that is past any balance.
function convert.up(atoms, rate, unit)
  local product = {}
  exact.add_product(product, exact.of(atoms), rate)
  return exact.divide_up(product, 1, unit)
end

-- The most of the first asset that `atoms` of the other pay for.
function convert.down(atoms, rate, unit)
  local rate_near = 0
  for i = #rate, 1, -1 do
    rate_near = rate_near * 1000000 + rate[i]
  end
  -- A few roundings of doubles are off by a few at most, and what is due tells by how many.
  local most = math.min(ATOMS_MAX, math.floor(atoms / rate_near * 1000000 * unit))
  local function is_paid(due)
    return due and due <= atoms
  end
  while not is_paid(convert.up(most, rate, unit)) do
    most = most - 1
  end
  while most < ATOMS_MAX and is_paid(convert.up(most + 1, rate, unit)) do
    most = most + 1
  end
  return most
end

return convert
