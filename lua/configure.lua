#!lua flags=allow-oom
-- Configure: tell a wallet its customer's subscriptions and budgets, unless it knows newer ones.
--
-- Postgres keeps them; they are written here before a change is answered, so that the next request goes by it. They
-- move no money: no entry tells of them.
local run = require('run')
local wallets = require('wallet')

local fence_key = KEYS[1] -- string: installation and epoch of this partition's data
local clock_key = KEYS[2] -- packed: seq, time, epoch
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua
local fence = ARGV[1]
local version = tonumber(ARGV[2])
local config_text = ARGV[3] -- JSON, opaque here

local found = redis.call('MGET', fence_key, clock_key)
local refusal = run.refusal(found[2] and found[1], fence_key, fence)
if refusal then
  return refusal
end
local fields = redis.call('HMGET', wallet_key, 'w', 'n')
if not fields[1] then
  return { 'absent' }
end
local _, verified_epoch = wallets.read_stamp(fields[1])
local _, _, present_epoch = struct.unpack('>ddd', found[2])
if verified_epoch ~= present_epoch then
  return { 'absent' }
end
local config_version = tonumber(fields[2] or '0')
if config_version >= version then
  return { 'configured', config_version }
end
config_version = version
local version_text = string.format('%d', version)
-- COMMIT
redis.call('HSET', wallet_key, 'n', version_text, 'x', config_text)
return { 'configured', config_version }
