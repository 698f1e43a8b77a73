-- Consumption order: a string of grant numbers, four bytes each. A place is found by bisection, so a thousand grants
-- cost ten reads.
local wallets = require('wallet')

local order = { NUMBER_LENGTH = 4 }

local NUMBER_LENGTH = order.NUMBER_LENGTH

-- Priority, scoped before unscoped, sooner expiry, promotional before bundled before paid, earlier effective, earlier
-- created, number.
function order.comes_before(terms, grant_no, other, other_no)
  if terms.priority ~= other.priority then
    return terms.priority < other.priority
  elseif (terms.scope > 0) ~= (other.scope > 0) then
    return terms.scope > 0
  elseif terms.expires_at_ms ~= other.expires_at_ms then
    return terms.expires_at_ms < other.expires_at_ms
  elseif terms.purpose ~= other.purpose then
    return terms.purpose < other.purpose
  elseif terms.effective_at_ms ~= other.effective_at_ms then
    return terms.effective_at_ms < other.effective_at_ms
  elseif terms.created_at_ms ~= other.created_at_ms then
    return terms.created_at_ms < other.created_at_ms
  end
  return grant_no < other_no
end

-- The numbers with this one in its place.
function order.insert(wallet, numbers, grant_no)
  local terms = wallets.terms(wallet, grant_no)
  local low, high = 0, #numbers / NUMBER_LENGTH
  while low < high do
    local middle = math.floor((low + high) / 2)
    local other_no = struct.unpack('>I4', numbers, middle * NUMBER_LENGTH + 1)
    if order.comes_before(terms, grant_no, wallets.terms(wallet, other_no), other_no) then
      high = middle
    else
      low = middle + 1
    end
  end
  local at = low * NUMBER_LENGTH
  return string.sub(numbers, 1, at) .. struct.pack('>I4', grant_no) .. string.sub(numbers, at + 1)
end

-- The numbers without this one; nil where it is not among them.
function order.remove(numbers, grant_no)
  for at = 1, #numbers, NUMBER_LENGTH do
    if struct.unpack('>I4', numbers, at) == grant_no then
      return string.sub(numbers, 1, at - 1) .. string.sub(numbers, at + NUMBER_LENGTH)
    end
  end
end

return order
