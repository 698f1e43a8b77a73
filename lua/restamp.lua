#!lua flags=allow-oom
-- Restamp: a wallet that has been compared with the ledger is good in this epoch, too; frozen where its entries wait in
-- quarantine.
--
-- Only at the version that was compared. Nothing else can have changed meanwhile: a wallet stamped with another epoch
-- counts as absent for every other script.
local codes = require('codes')
local run = require('run')
local wallets = require('wallet')

local fence_key = KEYS[1] -- string: installation and epoch of this partition's data
local clock_key = KEYS[2] -- packed: seq, time, epoch
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua
local fence = ARGV[1]
local version = tonumber(ARGV[2])
local freeze = tonumber(ARGV[3]) -- freeze for this reason, unless it is frozen already; 0: leave it
local config_version = ARGV[4] -- of the wallet's configuration; '0': it has none
local config_text = ARGV[5]

local found = redis.call('MGET', fence_key, clock_key)
local refusal = run.refusal(found[2] and found[1], fence)
if refusal then
  return refusal
end
local fields = redis.call('HMGET', wallet_key, 'w', 'n', 'x')
if not fields[1] then
  return { 'moved' }
end
local wallet = wallets.stamp(fields[1], found[2])
if wallet.version ~= version then
  return { 'moved' }
end
if wallet.freeze == codes.freeze.none then
  wallet.freeze = freeze
end
local meta = wallets.pack_meta(wallet)
if tonumber(fields[2] or '0') > tonumber(config_version) then
  config_version, config_text = fields[2], fields[3]
end
-- COMMIT
redis.call('HSET', wallet_key, 'w', meta, 'n', config_version, 'x', config_text)
return { 'stamped' }
