#!lua flags=no-writes
-- Peek operation: whether one was begun before, as far as Redis can say. Asked under backpressure only.
local run = require('run')
local wallets = require('wallet')

local fence_key = KEYS[1] -- string: installation and epoch of this partition's data
local clock_key = KEYS[2] -- packed: seq, time, epoch
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua
local operation_key = KEYS[4] -- string: what this operation answered
local fence = ARGV[1]

local found = redis.call('MGET', fence_key, clock_key)
local refusal = run.refusal(found[2] and found[1], fence_key, fence)
if refusal then
  return refusal
end
if redis.call('EXISTS', operation_key) == 1 then
  return { 'begun' }
end
local fields = redis.call('HMGET', wallet_key, 'w', 'l')
if not fields[1] or wallets.must_look_up(fields[1], fields[2], found[2]) then
  return { 'look_up' }
end
return { 'never_begun' }
