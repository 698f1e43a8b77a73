#!lua flags=allow-oom
-- Arm a top-up: from now on an account says once when it falls below a bound.
--
-- Each crossing has a number, and none is armed twice, nor one before another that was armed or told: a call that comes
-- late changes nothing. An account that is below already is not armed, and the caller is told: that is the crossing. It
-- moves no money and is no version; Postgres keeps bound and number, and what was told is in the ledger.
local run = require('run')
local triggers = require('triggers')
local wallets = require('wallet')

local fence_key = KEYS[1] -- string: installation and epoch of this partition's data
local clock_key = KEYS[2] -- packed: seq, time, epoch
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua
local fence = ARGV[1]
local asset = ARGV[2]
local fires_below_atoms = tonumber(ARGV[3]) -- 0: it never does, which is how a trigger is taken away
local crossing_no = tonumber(ARGV[4])

local found = redis.call('MGET', fence_key, clock_key)
local refusal = run.refusal(found[2] and found[1], fence_key, fence)
if refusal then
  return refusal
end
local account_field = 'a' .. asset
local fields = redis.call('HMGET', wallet_key, 'w', account_field, 'm' .. asset)
if not fields[1] then
  return { 'absent' }
end
local _, verified_epoch = wallets.read_stamp(fields[1])
local _, _, present_epoch = struct.unpack('>ddd', found[2])
if verified_epoch ~= present_epoch then
  return { 'absent' }
end
local account = wallets.unpack_account(tonumber(asset), account_field, fields[2])
if triggers.last_no(fields[3]) >= crossing_no then
  return { 'crossed' }
elseif (account.crossing_no or 0) >= crossing_no or (fires_below_atoms == 0 and not fields[2]) then
  return { 'armed' }
elseif account.available - account.scoped < fires_below_atoms then
  return { 'crossed' }
end
account.fires_below, account.crossing_no = fires_below_atoms, crossing_no
local account_packed = wallets.pack_account(account)
-- COMMIT
redis.call('HSET', wallet_key, account_field, account_packed)
return { 'armed' }
