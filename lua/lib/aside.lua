-- Credit that was bought and goes back: taken from the grant that it came as, then from whatever else there is.
--
-- What only some events may be spent on stays: it was never paid for.
local codes = require('codes')
local entries = require('entry')
local grants = require('grants')
local wallets = require('wallet')

local aside = {}

-- What the grant that a purchase became has left; 0 where it has ended.
function aside.left(wallet, account, grant_no)
  local terms = wallets.terms(wallet, grant_no)
  if not terms or terms.asset ~= account.asset or terms.state ~= codes.grant_state.active or terms.scope > 0 then
    return 0
  end
  return wallets.grant(wallet, grant_no).remaining
end

-- What can be taken in all: of that grant, or of any.
function aside.reach(wallet, account, grant_no, only_own)
  return only_own and aside.left(wallet, account, grant_no) or account.available - account.scoped
end

-- Take `atoms`, which are there: into a hold, or for good. Returns where from: number, atoms, number, atoms …
function aside.take(wallet, entry, account, grant_no, atoms, into_hold)
  local own = math.min(atoms, aside.left(wallet, account, grant_no))
  local sources = {}
  if own > 0 then
    local grant = wallets.grant(wallet, grant_no)
    if grant.remaining == own then
      grants.leave_order(wallet, account, grant_no)
    end
    grant.remaining = grant.remaining - own
    if into_hold then
      grant.held = grant.held + own
    end
    entries.touch(entry, grant)
    sources[1], sources[2] = grant_no, own
  end
  if atoms > own then
    local others = grants.take(wallet, entry, account, atoms - own, into_hold)
    for i = 1, #others do
      sources[#sources + 1] = others[i]
    end
  end
  return sources
end

return aside
