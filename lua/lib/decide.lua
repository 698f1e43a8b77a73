-- Yes or no: how much of a request the wallet can give.
local codes = require('codes')
local wallets = require('wallet')

local function of_account(account, requested, mode)
  if requested == 0 then
    return requested
  elseif account.overage > 0 then
    return nil, codes.reason.overage, 0
  elseif account.available >= requested then
    return requested
  elseif mode == 'up_to' and account.available > 0 then
    return account.available
  elseif account.available + account.held >= requested then
    return nil, codes.reason.held_in_flight, account.available
  end
  return nil, codes.reason.balance, account.available
end

-- Returns the atoms to take of the first leg; or nil, the reason, the largest amount of it that would be approved now,
-- and which asset there is too little of. Several legs are taken all or none, whatever the mode.
local function decide(wallet, list, mode)
  local first = list[1]
  local atoms, reason, affordable = of_account(wallet.account, first.amount, list[2] and 'strict' or mode)
  if not atoms then
    return nil, reason, affordable, first.asset
  end
  for i = 2, #list do
    local leg = list[i]
    local enough, lacks = of_account(wallets.account(wallet, leg.asset), leg.amount, 'strict')
    if not enough then
      return nil, lacks, 0, leg.asset
    end
  end
  return atoms
end

return decide
