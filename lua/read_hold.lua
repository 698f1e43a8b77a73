#!lua flags=no-writes
-- Read an open hold, as it is stored, and whose it is.
local wallets = require('wallet')

local fence_key = KEYS[1] -- string: installation and epoch of this partition's data
local clock_key = KEYS[2] -- packed: seq, time, epoch
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua
local holds_key = KEYS[4] -- hash: the wallet's open holds
local fence = ARGV[1]
local environment = ARGV[2]
local hold_ref = ARGV[3]

local wallet, refusal = wallets.peek(fence_key, clock_key, wallet_key, fence, environment)
if not wallet then
  return refusal
end
local hold_record = redis.call('HGET', holds_key, hold_ref)
if not hold_record then
  return { 'unknown_hold' }
end
local customer_text = redis.call('HGET', wallet_key, 'c')
local at_ms = wallet.now_ms
return { 'hold', customer_text, hold_record, at_ms }
