#!lua flags=allow-oom
-- Mend: what a wallet keeps beside its grants and holds is made anew from them: orders, due list, counts, deadlines.
--
-- Reconcile calls it where money, grants and holds are as the ledger has them and one of these does not follow. Nothing
-- moves, so it is no version and leaves no entry; stopped after any of its writes, it can be called again. The wallet
-- must be as it was seen, unless the caller does not mind: what is made is true of whatever stands there.
local commit = require('commit')
local due = require('due')
local grants = require('grants')
local holds = require('holds')
local run = require('run')
local scopes = require('scopes')
local seal = require('seal')
local wallets = require('wallet')

local fence_key = KEYS[1] -- string: installation and epoch of this partition's data
local clock_key = KEYS[2] -- packed: seq, time, epoch
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua
local holds_key = KEYS[4] -- hash: the wallet's open holds
local deadlines_key = KEYS[5] -- sorted set: holds and wallets by the instant at which they are due
local fence = ARGV[1]
local seen_at = ARGV[2] -- '<epoch>.<version>': only while the wallet is there; empty: wherever it is

local found = redis.call('MGET', fence_key, clock_key)
local refusal = run.refusal(found[2] and found[1], fence_key, fence)
if refusal then
  return refusal
end
local packed = redis.call('HGET', wallet_key, 'w')
if not packed then
  return { 'absent' }
end
local head = wallets.stamp(wallet_key, packed, found[2])
local version, verified_epoch = wallets.read_stamp(packed)
if verified_epoch ~= head.epoch then
  return { 'absent' }
elseif seen_at ~= '' and seen_at ~= string.format('%d.%d', verified_epoch, version) then
  return { 'moved' }
end

local wallet = wallets.build(wallet_key, found[2], head.environment, version, head.freeze)
wallet.due = ''
local grant_nos = {}
for _, field in ipairs(redis.call('HKEYS', wallet_key)) do
  local kind, number, scope = string.match(field, '^([aot])(%d+)%.?(%d*)$')
  if kind == 'o' and scope ~= '' then
    scopes.clear(wallets.account(wallet, tonumber(number)), field)
  elseif kind == 'o' then
    local account = wallets.account(wallet, tonumber(number))
    account.order = ''
    account.order_changed = true
  elseif kind == 'a' then
    local account = wallets.account(wallet, tonumber(number))
    account.changed = account.scoped > 0
    account.scoped = 0
  elseif kind == 't' then
    grant_nos[#grant_nos + 1] = tonumber(number)
  end
end
wallet.live_grants = #grant_nos
for _, grant_no in ipairs(grant_nos) do
  local terms = wallets.terms(wallet, grant_no)
  local grant = wallets.grant(wallet, grant_no)
  if grant and grant.remaining > 0 then
    grants.enter_order(wallet, wallets.account(wallet, terms.asset), grant_no)
  end
  due.add_grant(wallet, grant_no, terms)
end
local records = redis.call('HGETALL', holds_key)
for i = 1, #records, 2 do
  holds.count(wallet, holds.unpack(records[i], records[i + 1]))
end
seal.wallet(wallet)
-- COMMIT
commit(wallet, clock_key, holds_key, deadlines_key)
return { 'mended' }
