#!lua flags=allow-oom
-- Expire holds whose deadline has passed: what they still hold goes back.
--
-- The caller names the holds, from the deadlines or from a decline; those that ended meanwhile, or got more time,
-- are passed over.
local codes = require('codes')
local commit = require('commit')
local holds = require('holds')
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
local keep_ms = ARGV[6] -- '0': a repeat finds nothing left to do
local hold_refs = ARGV[7] -- joined by spaces

local wallet, refusal =
  wallets.open(fence_key, clock_key, wallet_key, operation_key, fence, not_after_ms, fingerprint, environment, '0', '1')
if not wallet then
  return refusal
end
local expired_count = 0
for hold_ref in string.gmatch(hold_refs, '%S+') do
  if expired_count == codes.limit.expire_batch then
    break
  end
  local hold = holds.read(holds_key, hold_ref)
  if hold and hold.expires_at_ms <= wallet.now_ms then
    holds.expire(wallet, hold)
    expired_count = expired_count + 1
  elseif not hold then
    -- A deadline that no hold stands behind any more.
    wallets.add(wallet, 'deadlines_gone', wallet.id .. hold_ref)
  end
end
local epoch, seq = wallet.epoch, wallet.seq
local reply = { 'expired', expired_count, epoch, seq }
reply = seal.operation(wallet, outbox_key, 0, operation_id, fingerprint, keep_ms, '', reply)
-- COMMIT
commit(wallet, clock_key, holds_key, deadlines_key, operation_key)
return reply
