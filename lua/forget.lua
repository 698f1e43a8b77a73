#!lua flags=allow-oom
-- Forget a wallet that is to be rebuilt from the ledger: it leaves Redis, and its partition is closed.
--
-- The ledger may have it at an older version than Redis had, so versions are given again, and with them hold refs
-- (`<epoch>.<version>`): only another epoch may do that. A worker finds the fence closed, as after a loss, drains what
-- is there, and opens the next epoch (src/worker/recover.ts). The fence goes first: a wallet that were gone behind an
-- open one would be loaded, and used, in this epoch. Deadlines of its holds stay: those that the ledger has are good,
-- and the sweep takes away what no hold stands behind.
local run = require('run')
local wallets = require('wallet')

local fence_key = KEYS[1] -- string: installation and epoch of this partition's data
local wallet_key = KEYS[2] -- hash: see lib/wallet.lua
local holds_key = KEYS[3] -- hash: the wallet's open holds
local deadlines_key = KEYS[4] -- sorted set: holds and wallets by the instant at which they are due
local fence = ARGV[1]
local head_packed = ARGV[2] -- the wallet's field `w` as it was when it was compared; empty: it was not there

local refusal = run.refusal(redis.call('GET', fence_key), fence_key, fence)
if refusal then
  return refusal
end
if (redis.call('HGET', wallet_key, 'w') or '') ~= head_packed then
  return { 'moved' }
end
local id = wallets.id_of(wallet_key)
local closed_fence = 'closed:' .. fence
-- COMMIT
redis.call('SET', fence_key, closed_fence)
redis.call('DEL', wallet_key, holds_key)
redis.call('ZREM', deadlines_key, id)
return { 'forgotten' }
