#!lua flags=no-writes
-- Read an open hold, and whose it is.
local holds = require('holds')
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
local hold = holds.read(holds_key, hold_ref)
if not hold then
  return { 'unknown_hold' }
end
local customer_text = redis.call('HGET', wallet_key, 'c')
local asset, amount_atoms, held_atoms = hold.asset, hold.amount, hold.held
local settled_atoms, released_atoms = hold.settled, hold.released
local created_at_ms, expires_at_ms, at_ms = hold.created_at_ms, hold.expires_at_ms, wallet.now_ms
return {
  'hold',
  customer_text,
  asset,
  amount_atoms,
  held_atoms,
  settled_atoms,
  released_atoms,
  created_at_ms,
  expires_at_ms,
  at_ms,
}
