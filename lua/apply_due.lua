#!lua flags=allow-oom
-- Apply what is due in a wallet: grants that start, grants that expire; at most 16 a call.
--
-- Every script does this before its own work; this one is for the sweep, for reading a wallet, and for a wallet with
-- more due than one call applies.
local commit = require('commit')
local seal = require('seal')

local due = require('due')
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

local wallet, refusal = wallets.open(
  fence_key,
  clock_key,
  wallet_key,
  operation_key,
  fence,
  not_after_ms,
  fingerprint,
  environment,
  '0',
  '1',
  'leave_due'
)
if not wallet then
  return refusal
end
local applied_count, done = 0, true
if wallet.due_at_ms <= wallet.now_ms then
  applied_count, done = due.apply_some(wallet)
end
local more_flag = done and 0 or 1
local epoch, seq = wallet.epoch, wallet.seq
local reply = { 'applied', applied_count, more_flag, epoch, seq }
if applied_count == 0 then
  return reply
end
reply = seal.operation(wallet, outbox_key, 0, operation_id, fingerprint, keep_ms, '', reply)
-- COMMIT
commit(wallet, clock_key, holds_key, deadlines_key, operation_key)
return reply
