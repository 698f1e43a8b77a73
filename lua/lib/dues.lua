-- What a settle takes: of each leg of a hold, and beyond what it has, of each account.
--
-- An amount is due in the first leg's asset. What was priced may be due in others besides, each taken from the hold's
-- leg in it; where there is none, the hold gets one with nothing in it, and all of it is an excess. Legs that stand in
-- for the first give what their own asset is not due of.
local budgets = require('budgets')
local codes = require('codes')
local entries = require('entry')
local grants = require('grants')
local legs = require('legs')
local usage = require('usage')
local wallets = require('wallet')

local dues = {}

local DUE = '>Hd'
local DUE_LENGTH = 10

-- Say of each leg what is due in its asset: `H asset, d atoms` each, for others than the first; and, where an event is
-- settled by, what its `lines` cost besides. Or the refusal.
function dues.assign(hold, amount_atoms, packed, lines)
  hold.legs[1].due = amount_atoms
  for at = 1, #packed, DUE_LENGTH do
    local asset, atoms = struct.unpack(DUE, packed, at)
    legs.of(hold.legs, asset).due = atoms
  end
  if #hold.legs > codes.limit.hold_legs then
    return { 'too_many_assets' }
  end
  local too_large = usage.add(lines, hold.legs, 'due')
  if too_large then
    return too_large
  end
end

-- What a leg has by the hold's terms; of what it took from scoped grants, as much as they cover.
local function has(wallet, leg, late)
  if late then
    return leg.released
  end
  return leg.parts and require('scopes').held(wallet, leg, leg.parts) or leg.held
end

-- Late, the money has come back already: what came back is what may be taken without being an excess, as far as it is
-- still there.
local function usable(wallet, leg, late)
  if not late then
    return has(wallet, leg, late)
  end
  local account = wallets.account(wallet, leg.asset)
  local available = account.available - account.scoped
  if leg.parts then
    available = require('scopes').reach(wallet, account, leg.parts)
  end
  return math.min(leg.released, available)
end

-- What is taken of a due, or nil when it is refused.
local function within(due_atoms, within_atoms, on_excess)
  if due_atoms <= within_atoms or on_excess == 'charge' then
    return due_atoms
  end
  return on_excess == 'cap' and within_atoms or nil
end

-- An excess is taken from what is available, and what is missing becomes overage. Of what is due of the first leg,
-- others give `covered` atoms.
function dues.bound(wallet, list, late, covered)
  for i = 1, #list do
    local leg = list[i]
    local account = wallets.account(wallet, leg.asset)
    if leg.parts then
      leg.from_available = require('scopes').beyond(wallet, account, leg, i == 1 and covered or 0, late)
    else
      leg.from_available = math.min(leg.excess, account.available - account.scoped - (late and leg.part or 0))
    end
    leg.from_overage = leg.excess - leg.from_available
  end
end

-- The refusal where a number would be too large.
function dues.check(wallet, list)
  for i = 1, #list do
    local leg = list[i]
    local account = wallets.account(wallet, leg.asset)
    if
      leg.settled + leg.part + leg.excess > codes.limit.balance_atoms
      or account.overage + leg.from_overage > codes.limit.balance_atoms
    then
      return { 'out_of_bounds', codes.bound.balance }
    end
  end
end

-- Of each leg: what it gives (`part`), and what is taken beyond (`excess`). Or the refusal.
function dues.plan(wallet, list, late, on_excess)
  local first = list[1]
  local within_atoms, short_asset = has(wallet, first, late), first.asset
  for i = 2, #list do
    local leg = list[i]
    local has_atoms = has(wallet, leg, late)
    local spend_atoms = within(leg.due or 0, has_atoms, on_excess)
    if not spend_atoms then
      within_atoms, short_asset = has_atoms, leg.asset
      return { 'exceeds_hold', within_atoms, short_asset }
    end
    leg.part = math.min(spend_atoms, usable(wallet, leg, late))
    leg.excess = spend_atoms - leg.part
    within_atoms = within_atoms + legs.covers(leg, has_atoms - leg.part)
  end
  within_atoms = math.min(within_atoms, codes.limit.balance_atoms)
  local left_atoms = within(first.due, within_atoms, on_excess)
  if not left_atoms then
    return { 'exceeds_hold', within_atoms, short_asset }
  end
  -- Leg after leg gives what it can; what they don't cover is an excess, of the first leg's asset.
  first.part = 0
  local due_atoms = left_atoms
  for i = 1, #list do
    local leg = list[i]
    local covered = math.min(left_atoms, legs.covers(leg, usable(wallet, leg, late) - leg.part))
    leg.part = leg.part + legs.convert(leg, covered)
    left_atoms = left_atoms - covered
  end
  first.excess = left_atoms
  dues.bound(wallet, list, late, due_atoms - first.part - left_atoms)
end

-- Take it.
function dues.settle(wallet, entry, hold, late)
  for i = 1, #hold.legs do
    local leg = hold.legs[i]
    legs.settle(wallet, entry, leg, leg.part, late)
    budgets.spend(wallet, entry, hold.tags, leg.asset, late and 0 or leg.part, (late and leg.part or 0) + leg.excess)
  end
  for i = 1, #hold.legs do
    local leg = hold.legs[i]
    if leg.excess > 0 then
      local account = wallets.account(wallet, leg.asset)
      grants.take(wallet, entry, account, leg.from_available, false, leg.beyond)
      entries.transfer(entry, account, codes.account.available, codes.account.revenue, leg.from_available)
      entries.transfer(entry, account, codes.account.overage, codes.account.revenue, leg.from_overage)
      leg.settled = leg.settled + leg.excess
      if late then
        leg.released = math.max(0, leg.released - leg.excess)
      end
    end
  end
end

return dues
