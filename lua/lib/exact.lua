-- Whole numbers of any size, where a product does not fit into a double: a quantity times a fine rate.
--
-- A number is a list of limbs, six digits each, low ones first. A double is exact up to 2^53, some 9 * 10^15: a product
-- of two limbs is below 10^12, so thousands of them add up before digits are carried, and a remainder below 10^9 with
-- the next limb behind it is below 10^15.
local codes = require('codes')

local exact = {}

local BASE = 1000000
-- A result is an amount: past any balance it is none.
local ATOMS_MAX = codes.limit.balance_atoms
-- 2^53: below it, every whole number is a double.
local EXACT_MAX = 9007199254740992

-- A whole number below 2^53.
function exact.of(number)
  local limbs = {}
  repeat
    local limb = number % BASE
    limbs[#limbs + 1] = limb
    number = (number - limb) / BASE
  until number == 0
  return limbs
end

-- `count` limbs as they lie in `packed`, four bytes each.
function exact.read(packed, at, count)
  local limbs = {}
  for i = 1, count do
    limbs[i], at = struct.unpack('>I4', packed, at)
  end
  return limbs
end

-- Add a * b to `sum`, without carrying: a thousand times at most, for an `a` of at most nine limbs. Limbs may be
-- negative until they are carried.
function exact.add_product(sum, a, b)
  for i = 1, #a do
    local limb = a[i]
    for j = 1, #b do
      local at = i + j - 1
      sum[at] = (sum[at] or 0) + limb * b[j]
    end
  end
end

local function carry(limbs)
  local rest = 0
  local i = 1
  while i <= #limbs or rest > 0 do
    local value = (limbs[i] or 0) + rest
    local limb = value % BASE
    limbs[i] = limb
    rest = (value - limb) / BASE
    i = i + 1
  end
end

-- limbs / (10^(6 * dropped) * divisor), rounded up; nil when that is past any balance. `divisor` is at most 10^9.
function exact.divide_up(limbs, dropped, divisor)
  carry(limbs)
  local quotient, rest = 0, 0
  for i = #limbs, dropped + 1, -1 do
    local value = rest * BASE + limbs[i]
    rest = value % divisor
    -- Past 2^53 it is not exact, and no answer either.
    quotient = quotient * BASE + (value - rest) / divisor
  end
  for i = 1, dropped do
    rest = rest + (limbs[i] or 0)
  end
  if rest > 0 then
    quotient = quotient + 1
  end
  if quotient > ATOMS_MAX then
    return nil
  end
  return quotient
end

-- The quotient a * b / c, rounded down, and what remains: whole numbers up to 2^52, c above 0. A quotient past 2^53 is
-- given as that.
--
-- For rates between assets, whose divisor may have any size. Long division in doubles, a bit of b at a time: quotient
-- * c + rest is a times the bits of b so far, and no step goes past 2^53.
function exact.multiply_divide(a, b, c)
  if a * b < EXACT_MAX then
    local rest = (a * b) % c
    return (a * b - rest) / c, rest
  end
  local rest_of_a = a % c
  local quotient_of_a = (a - rest_of_a) / c
  local quotient, rest = 0, 0
  local power = 4503599627370496
  while power >= 1 do
    quotient, rest = quotient * 2, rest * 2
    if rest >= c then
      quotient, rest = quotient + 1, rest - c
    end
    if b >= power then
      b = b - power
      quotient, rest = quotient + quotient_of_a, rest + rest_of_a
      if rest >= c then
        quotient, rest = quotient + 1, rest - c
      end
    end
    if quotient > EXACT_MAX then
      return EXACT_MAX, 0
    end
    power = power / 2
  end
  return quotient, rest
end

return exact
