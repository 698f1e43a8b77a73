#!lua flags=allow-oom
-- Hydrate: put a wallet into Redis as the ledger knows it, unless it is there.
--
-- The caller has made sure that every entry of this wallet is in the ledger; a wallet that is there is left alone, so
-- two callers at once, or a late one, do no harm. One that is of another epoch, and behind the ledger, is replaced, at
-- the version that was compared and at no other. It goes on where Redis has no memory left, since its holds must end;
-- a new wallet does not (create_wallet.lua).
local commit = require('commit')
local counters = require('counters')
local due = require('due')
local grants = require('grants')
local holds = require('holds')
local run = require('run')
local seal = require('seal')
local wallets = require('wallet')

local fence_key = KEYS[1] -- string: installation and epoch of this partition's data
local clock_key = KEYS[2] -- packed: seq, time, epoch
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua
local holds_key = KEYS[4] -- hash: the wallet's open holds
local deadlines_key = KEYS[5] -- sorted set: holds and wallets by the instant at which they are due
local scratch_key = KEYS[6] -- string: there for as long as this runs
local fence = ARGV[1]
local environment = ARGV[2]
local customer_id = ARGV[3]
local version = tonumber(ARGV[4])
local freeze = tonumber(ARGV[5])
local accounts_packed = ARGV[6] -- H asset, dddd account
local grants_packed = ARGV[7] -- I4 number, dd grant, then its terms
local holds_packed = ARGV[8] -- B length, ref, H length, record
local replaced_version = ARGV[9] -- of the wallet that is replaced; empty: there is none
local look_up_until_ms = ARGV[10] -- operations that Redis does not know are looked up until then
local config_version = ARGV[11] -- of the wallet's configuration; '0': it has none
local config_text = ARGV[12]
local counters_packed = ARGV[13] -- B length, name, H length, bytes: of budgets and of prices
local rollovers_packed = ARGV[14] -- I4 number, c24 what of that grant lives on when it expires
local triggers_packed = ARGV[15] -- H asset, dd its trigger, where a top-up is armed

local found = redis.call('MGET', fence_key, clock_key)
local refusal = run.refusal(found[2] and found[1], fence_key, fence)
if refusal then
  return refusal
end
local packed = redis.call('HGET', wallet_key, 'w')
if packed then
  local standing_version, verified_epoch = wallets.read_stamp(packed)
  local _, _, present_epoch = struct.unpack('>ddd', found[2])
  if verified_epoch == present_epoch then
    return { 'present' }
  end
  if string.format('%d', standing_version) ~= replaced_version then
    return { 'moved' }
  end
end
local wallet = wallets.build(wallet_key, found[2], environment, version, freeze)
-- Nothing of what it replaces: its list of what falls due would be read, and its deadline stay.
wallet.due = ''
local at = 1
while at <= #accounts_packed do
  at = wallets.load_account(wallet, accounts_packed, at)
end
at = 1
while at <= #triggers_packed do
  at = wallets.load_trigger(wallet, triggers_packed, at)
end
at = 1
while at <= #grants_packed do
  local grant_no
  grant_no, at = wallets.load_grant(wallet, grants_packed, at)
  local terms = wallets.terms(wallet, grant_no)
  local grant = wallet.grants and wallet.grants[grant_no]
  if grant and grant.remaining > 0 then
    grants.enter_order(wallet, wallet.accounts[terms.asset], grant_no)
  end
  due.add_grant(wallet, grant_no, terms)
end
at = 1
while at <= #rollovers_packed do
  local grant_no, rollover
  grant_no, rollover, at = struct.unpack('>I4c24', rollovers_packed, at)
  due.set_rollover(wallet, grant_no, rollover)
end
at = 1
while at <= #holds_packed do
  at = holds.load(wallet, holds_packed, at)
end
local fields = { 'c', customer_id, 'l', look_up_until_ms }
if config_version ~= '0' then
  local n = #fields
  fields[n + 1], fields[n + 2] = 'n', config_version
  fields[n + 3], fields[n + 4] = 'x', config_text
end
at = 1
while at <= #counters_packed do
  local name, bytes
  name, bytes, at = counters.load(counters_packed, at)
  fields[#fields + 1] = name
  fields[#fields + 1] = bytes
end
seal.whole(wallet, fields)
-- COMMIT
redis.call('SET', scratch_key, '')
redis.call('DEL', wallet_key, holds_key, scratch_key)
commit(wallet, clock_key, holds_key, deadlines_key)
redis.call('HSET', wallet_key, 'w', wallet.head)
return { 'hydrated' }
