#!lua
-- Create a wallet: an empty one, for a customer of whom the ledger has no entry yet.
--
-- Where Redis has no memory left it is refused, as all new work.
local commit = require('commit')
local run = require('run')
local seal = require('seal')
local wallets = require('wallet')

local fence_key = KEYS[1] -- string: installation and epoch of this partition's data
local clock_key = KEYS[2] -- packed: seq, time, epoch
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua
local fence = ARGV[1]
local environment = ARGV[2]
local customer_id = ARGV[3]
local freeze = tonumber(ARGV[4])

local found = redis.call('MGET', fence_key, clock_key)
local refusal = run.refusal(found[2] and found[1], fence_key, fence)
if refusal then
  return refusal
end
if redis.call('HEXISTS', wallet_key, 'w') == 1 then
  return { 'moved' }
end
local wallet = wallets.build(wallet_key, found[2], environment, 0, freeze)
seal.wallet(wallet)
wallet.fields[#wallet.fields + 1] = 'c'
wallet.fields[#wallet.fields + 1] = customer_id
-- COMMIT
commit(wallet, clock_key)
return { 'created' }
