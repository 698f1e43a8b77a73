-- Several assets at once: the legs of a hold, or of a charge.
--
-- The first leg's asset is the one that was asked for; it names the hold. Others follow in the order in which they
-- stand in for it: `num` atoms of them for `den` atoms of the first. A leg whose rate is 0 for 0 stands in for nothing:
-- what it holds is for a cost in its own asset. No two legs are of one asset.
local codes = require('codes')
local entries = require('entry')
local exact = require('exact')
local grants = require('grants')
local wallets = require('wallet')

local legs = {}

local ASKED = '>Hddd'
local ASKED_LENGTH = 26

-- A leg that is yet to be taken.
function legs.make(asset, atoms, num, den)
  return { asset = asset, amount = atoms, held = 0, settled = 0, released = 0, num = num, den = den }
end

-- The leg that was asked for, and those that go with it: `H asset, d atoms, d num, d den` each. Where scopes cover some
-- of it (lib/scopes.lua), legs have parts, and the scopes that cover all of it come with them.
function legs.list(asset, atoms, packed, scopes_packed)
  local list = { legs.make(asset, atoms, 1, 1) }
  for at = 1, #packed, ASKED_LENGTH do
    list[#list + 1] = legs.make(struct.unpack(ASKED, packed, at))
  end
  if scopes_packed ~= '' then
    return list, require('scopes').read(scopes_packed, list)
  end
  return list
end

function legs.find(list, asset)
  for i = 1, #list do
    if list[i].asset == asset then
      return list[i]
    end
  end
end

-- The leg in an asset; where there is none yet, one with nothing in it, which stands in for nothing.
function legs.of(list, asset)
  local leg = legs.find(list, asset)
  if not leg then
    leg = legs.make(asset, 0, 0, 0)
    leg.sources = {}
    list[#list + 1] = leg
  end
  return leg
end

-- How many atoms of the first leg's asset `atoms` of this one stand for, rounded down.
function legs.covers(leg, atoms)
  if leg.num == leg.den and leg.num > 0 then
    return atoms
  elseif leg.num == 0 then
    return 0
  end
  local covered = exact.multiply_divide(atoms, leg.den, leg.num)
  return math.min(covered, codes.limit.balance_atoms)
end

-- What `atoms` of the first leg's asset come to in this one, rounded up.
function legs.convert(leg, atoms)
  if leg.num == leg.den then
    return atoms
  end
  local converted, rest = exact.multiply_divide(atoms, leg.num, leg.den)
  return rest > 0 and converted + 1 or converted
end

-- What a hold's legs cover of its first asset, by what they hold or by what came back: `of` says which.
function legs.worth(list, of)
  if not list[2] then
    return list[1][of]
  end
  local atoms = 0
  for i = 1, #list do
    atoms = atoms + legs.covers(list[i], list[i][of])
  end
  return math.min(atoms, codes.limit.balance_atoms)
end

-- `atoms` of a leg are spent: of what it holds; or, once the hold has expired, of what came back.
function legs.settle(wallet, entry, leg, atoms, late)
  local account = wallets.account(wallet, leg.asset)
  if late then
    grants.take(wallet, entry, account, atoms, false, leg.parts)
    entries.transfer(entry, account, codes.account.available, codes.account.revenue, atoms)
    leg.released = leg.released - atoms
  else
    grants.spend_held(wallet, entry, leg, atoms)
    entries.transfer(entry, account, codes.account.held, codes.account.revenue, atoms)
    leg.held = leg.held - atoms
  end
  leg.settled = leg.settled + atoms
end

-- For replies, where there are several: each leg's asset, amount, held, settled, released, and what its account has
-- available, holds and owes.
function legs.text(wallet, list)
  if not list[2] then
    return ''
  end
  local texts = {}
  for i, leg in ipairs(list) do
    local account = wallets.account(wallet, leg.asset)
    texts[i] = string.format(
      '%d %d %d %d %d %d %d %d',
      leg.asset,
      leg.amount,
      leg.held,
      leg.settled,
      leg.released,
      account.available,
      account.held,
      account.overage
    )
  end
  return table.concat(texts, ' ')
end

-- For who asks why: which grants the legs take from, in the order taken, and how much: number and atoms in turn.
function legs.sources_text(list)
  local texts = {}
  for _, leg in ipairs(list) do
    for i = 1, #leg.sources do
      texts[#texts + 1] = string.format('%d', leg.sources[i])
    end
  end
  return table.concat(texts, ' ')
end

return legs
