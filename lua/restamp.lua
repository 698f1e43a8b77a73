#!lua flags=allow-oom
-- Restamp: a wallet that has been compared with the ledger is good in this epoch, too; frozen where its entries wait in
-- quarantine.
--
-- Only at the version that was compared. Nothing else can have changed meanwhile: a wallet stamped with another epoch
-- counts as absent for every other script. All that it has is written again as it stands: see seal.whole.
local codes = require('codes')
local commit = require('commit')
local run = require('run')
local seal = require('seal')
local wallets = require('wallet')

local fence_key = KEYS[1] -- string: installation and epoch of this partition's data
local clock_key = KEYS[2] -- packed: seq, time, epoch
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua
local holds_key = KEYS[4] -- hash: the wallet's open holds
local scratch_key = KEYS[5] -- string: there for as long as this runs
local fence = ARGV[1]
local version = tonumber(ARGV[2])
local freeze = tonumber(ARGV[3]) -- freeze for this reason, unless it is frozen already; 0: leave it
local config_version = ARGV[4] -- of the wallet's configuration; '0': it has none
local config_text = ARGV[5]

local found = redis.call('MGET', fence_key, clock_key)
local refusal = run.refusal(found[2] and found[1], fence_key, fence)
if refusal then
  return refusal
end
local standing = redis.call('HMGET', wallet_key, 'w', 'n', 'x')
if not standing[1] then
  return { 'moved' }
end
local wallet = wallets.stamp(wallet_key, standing[1], found[2])
if wallet.version ~= version then
  return { 'moved' }
end
if wallet.freeze == codes.freeze.none then
  wallet.freeze = freeze
end
if tonumber(standing[2] or '0') > tonumber(config_version) then
  config_version, config_text = standing[2], standing[3]
end
local all = redis.call('HGETALL', wallet_key)
local fields = { 'n', config_version, 'x', config_text }
for i = 1, #all, 2 do
  if not string.find(all[i], '^[wnx]$') then
    local n = #fields
    fields[n + 1], fields[n + 2] = all[i], all[i + 1]
  end
end
local records = redis.call('HGETALL', holds_key)
if records[1] then
  wallet.holds = records
end
seal.whole(wallet, fields)
-- COMMIT
redis.call('SET', scratch_key, '')
redis.call('DEL', wallet_key, holds_key, scratch_key)
commit(wallet, clock_key, holds_key)
redis.call('HSET', wallet_key, 'w', wallet.head)
return { 'stamped' }
