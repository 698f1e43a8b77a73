-- Yes or no: how much of a request the wallet can give.
local budgets = require('budgets')
local codes = require('codes')
local wallets = require('wallet')

local function of_account(wallet, account, leg, mode, room, budget_no)
  local requested = leg.amount
  if requested == 0 then
    return requested
  elseif account.overage > 0 then
    return nil, codes.reason.overage, 0, 0
  end
  local available = account.available - account.scoped
  if leg.parts then
    available = require('scopes').reach(wallet, account, leg.parts)
  end
  if available >= requested and room >= requested then
    return requested
  end
  local affordable = math.min(available, room)
  if mode == 'up_to' and affordable > 0 then
    return affordable
  elseif room < available then
    return nil, codes.reason.budget, affordable, budget_no
  elseif available + account.held >= requested then
    return nil, codes.reason.held_in_flight, affordable, 0
  end
  return nil, codes.reason.balance, affordable, 0
end

-- Returns the atoms to take of the first leg; or nil, the reason, the largest amount of it that would be approved now,
-- which asset there is too little of, and the number of the budget that refuses. Several legs are taken all or none,
-- whatever the mode.
local function decide(wallet, list, mode, budgets_sent)
  for i = 1, #list do
    local leg = list[i]
    local account = i == 1 and wallet.account or wallets.account(wallet, leg.asset)
    local room, no = budgets.tightest(budgets_sent, leg.asset)
    local how = list[2] and 'strict' or mode
    local atoms, reason, affordable, budget_no = of_account(wallet, account, leg, how, room, no)
    if not atoms then
      return nil, reason, i == 1 and affordable or 0, leg.asset, budget_no
    elseif not list[2] then
      return atoms
    end
  end
  return list[1].amount
end

return decide
