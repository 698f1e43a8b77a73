-- Yes or no: how much of a request the account can give.
local codes = require('codes')

-- Returns the atoms to take; or nil, the reason, and the largest amount that would be approved now.
local function decide(account, requested, mode)
  if requested == 0 then
    return 0
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

return decide
