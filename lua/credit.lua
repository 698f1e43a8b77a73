#!lua
-- Credit: put a grant into an account, now or at an instant to come.
--
-- A grant in force repays overage first; the rest can be spent at once. A scheduled one waits, and counts into the
-- headroom of the balance from now on. Grants are numbered by Postgres, where the intent to credit was written first.
local codes = require('codes')
local commit = require('commit')
local entries = require('entry')
local grants = require('grants')
local due = require('due')
local seal = require('seal')
local wallets = require('wallet')

local fence_key = KEYS[1] -- string: installation and epoch of this partition's data
local clock_key = KEYS[2] -- packed: seq, time, epoch
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua
local holds_key = KEYS[4] -- hash: the wallet's open holds
local deadlines_key = KEYS[5] -- sorted set: holds and wallets by the instant at which they are due
local operation_key = KEYS[6] -- string: what this operation answered
local outbox_key = KEYS[7] -- stream: entries on their way to the ledger
local fence = ARGV[1]
local not_after_ms = tonumber(ARGV[2])
local environment = ARGV[3]
local operation_id = ARGV[4]
local fingerprint = ARGV[5]
local keep_ms = ARGV[6] -- how long the answer is remembered
local asset = ARGV[7]
local grant_no = tonumber(ARGV[8])
local amount_atoms = tonumber(ARGV[9])
local purpose = tonumber(ARGV[10])
local priority = tonumber(ARGV[11])
local effective_at_ms = tonumber(ARGV[12]) -- 0: now
local expires_at_ms = tonumber(ARGV[13]) -- 0: never
local attached = ARGV[14]
local looked_up = ARGV[15] -- '1': the ledger does not have this operation; '2': it has; '0': nobody has asked it
local scope = tonumber(ARGV[16]) -- of the wallet's, which says what it may be spent on; 0: anything
local rollover_packed = ARGV[17] -- of what is left at its expiry, how much lives on; see lib/due.lua. Empty: nothing

local wallet, refusal = wallets.open(
  fence_key,
  clock_key,
  wallet_key,
  operation_key,
  fence,
  not_after_ms,
  fingerprint,
  environment,
  asset,
  looked_up
)
if not wallet then
  return refusal
end
local account = wallet.account

local at_ms = wallet.now_ms
local repays = effective_at_ms <= at_ms and scope == 0
local repaid_atoms = repays and math.min(account.overage, amount_atoms) or 0
if account.available + account.held + account.scheduled + amount_atoms - repaid_atoms > codes.limit.balance_atoms then
  return { 'out_of_bounds', codes.bound.balance }
elseif wallet.live_grants >= codes.limit.grants then
  return { 'out_of_bounds', codes.bound.grants }
end

local terms = {
  state = codes.grant_state.scheduled,
  purpose = purpose,
  priority = priority,
  scope = scope,
  asset = account.asset,
  amount = amount_atoms,
  effective_at_ms = effective_at_ms == 0 and at_ms or effective_at_ms,
  expires_at_ms = expires_at_ms == 0 and codes.never_ms or expires_at_ms,
  created_at_ms = at_ms,
  changed = true,
}
wallets.put_terms(wallet, grant_no, terms)
wallet.live_grants = wallet.live_grants + 1
if rollover_packed ~= '' then
  due.set_rollover(wallet, grant_no, rollover_packed)
end
local remaining_atoms = 0
if terms.effective_at_ms > at_ms then
  local entry = entries.begin(codes.kind.schedule_grant, account)
  entry.grant_no = grant_no
  account.scheduled = account.scheduled + amount_atoms
  account.changed = true
  due.add(wallet, terms.effective_at_ms, grant_no)
  entries.append(wallet, entry)
else
  local entry = entries.begin(codes.kind.grant, account)
  remaining_atoms = grants.fund(wallet, entry, account, grant_no, terms).remaining
  entries.append(wallet, entry)
end
if terms.expires_at_ms < codes.never_ms and (remaining_atoms > 0 or terms.state == codes.grant_state.scheduled) then
  due.add(wallet, terms.expires_at_ms, grant_no)
end
local state = terms.state
if state == codes.grant_state.active and remaining_atoms == 0 then
  state = codes.grant_state.spent
end
local effective_ms = terms.effective_at_ms
local version, epoch, seq = wallet.version, wallet.epoch, wallet.seq
local reply = { 'granted', remaining_atoms, state, effective_ms, at_ms, version, epoch, seq }
reply = seal.operation(wallet, outbox_key, #wallet.entries, operation_id, fingerprint, keep_ms, attached, reply)
-- COMMIT
commit(wallet, clock_key, holds_key, deadlines_key, operation_key)
return reply
