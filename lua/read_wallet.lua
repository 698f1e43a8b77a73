#!lua flags=no-writes
-- Read a wallet: all its fields as they are stored, when nothing is due.
local wallets = require('wallet')

local fence_key = KEYS[1] -- string: installation and epoch of this partition's data
local clock_key = KEYS[2] -- packed: seq, time, epoch
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua
local fence = ARGV[1]
local environment = ARGV[2]

local wallet, refusal = wallets.peek(fence_key, clock_key, wallet_key, fence, environment)
if not wallet then
  return refusal
end
local at_ms, version, freeze, epoch, seq = wallet.now_ms, wallet.version, wallet.freeze, wallet.epoch, wallet.seq
local fields_packed = redis.call('HGETALL', wallet_key)
return { 'wallet', fields_packed, at_ms, version, freeze, epoch, seq }
