-- Yes or no: how much of a request the wallet can give.
local budgets = require('budgets')
local codes = require('codes')
local wallets = require('wallet')

-- `in_flight`: what comes on top of the account's once open holds return.
local function of_account(wallet, account, leg, mode, room, budget_no, in_flight)
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
  elseif available + account.held + in_flight >= requested then
    return nil, codes.reason.held_in_flight, affordable, 0
  end
  return nil, codes.reason.balance, affordable, 0
end

-- What the other legs stand in for of the first (lib/fallback.lua), where there is enough of all of them.
local function stood_in(wallet, list, budgets_sent)
  for i = 2, #list do
    local leg = list[i]
    local left, no = budgets.tightest(budgets_sent, leg.asset)
    if not of_account(wallet, wallets.account(wallet, leg.asset), leg, 'strict', left, no, 0) then
      return 0
    end
  end
  return list.stood_in or 0
end

-- Returns the atoms to take of the first leg; or nil, the reason, the largest amount of it that would be approved now,
-- which asset there is too little of, and the number of the budget that refuses. Several legs are taken all or none,
-- whatever the mode; but of a first one that the others stand in for, what is affordable goes with them.
local function decide(wallet, list, mode, budgets_sent)
  for i = 1, #list do
    local leg = list[i]
    local account = i == 1 and wallet.account or wallets.account(wallet, leg.asset)
    local room, no = budgets.tightest(budgets_sent, leg.asset)
    local how = list[2] and 'strict' or mode
    local in_flight = i == 1 and list.in_flight or 0
    local atoms, reason, affordable, budget_no = of_account(wallet, account, leg, how, room, no, in_flight)
    if not atoms and i == 1 and list[2] then
      local others = stood_in(wallet, list, budgets_sent)
      if mode == 'up_to' and others > 0 and account.overage == 0 then
        return affordable
      end
      -- Where a budget refuses, less would be asked of the first asset all the same.
      affordable = affordable + (reason == codes.reason.budget and 0 or others)
    end
    if not atoms then
      return nil, reason, i == 1 and affordable or 0, leg.asset, budget_no
    elseif not list[2] then
      return atoms
    end
  end
  return list[1].amount
end

return decide
