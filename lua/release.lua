#!lua flags=allow-oom
-- Release a hold: give back what it still holds.
--
-- What returns goes to the grants it came from, last taken first. A hold ends once: one that is past its deadline
-- expires here, and is told so. available + held − overage is the same before and after, but for what belonged to a
-- grant that has ended: that leaves by an entry of its own.
local codes = require('codes')
local commit = require('commit')
local entries = require('entry')
local holds = require('holds')
local legs = require('legs')
local seal = require('seal')
local wallets = require('wallet')

local fence_key = KEYS[1] -- string: installation and epoch of this partition's data
local clock_key = KEYS[2] -- packed: seq, time, epoch
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua
local holds_key = KEYS[4] -- hash: the wallet's open holds
local deadlines_key = KEYS[5] -- sorted set: holds and wallets by the instant at which they are due
local operation_key = KEYS[6] -- string: what this operation answered
local outbox_key = KEYS[7] -- stream: entries on their way to the ledger
local fence = ARGV[1]
local not_after_ms = tonumber(ARGV[2])
local environment = ARGV[3]
local operation_id = ARGV[4]
local fingerprint = ARGV[5]
local keep_ms = ARGV[6] -- how long the answer is remembered
local asset = ARGV[7]
local hold_ref = ARGV[8]
local attached = ARGV[9]
local looked_up = ARGV[10] -- '1': the ledger does not have this operation; '2': it has; '0': nobody has asked it

local wallet, refusal = wallets.open(
  fence_key,
  clock_key,
  wallet_key,
  operation_key,
  fence,
  not_after_ms,
  fingerprint,
  environment,
  asset,
  looked_up
)
if not wallet then
  return refusal
end
local account = wallet.account
local epoch = wallet.epoch

local hold = holds.read(holds_key, hold_ref)
if not hold or hold.legs[1].asset ~= account.asset then
  return { 'unknown_hold' }
end
local first = hold.legs[1]
local reply
local main_no = 0
if hold.expires_at_ms <= wallet.now_ms then
  holds.expire(wallet, hold)
  local settled_atoms, released_atoms, seq = first.settled, first.released, wallet.seq
  reply = { 'expired', settled_atoms, released_atoms, epoch, seq }
  keep_ms = '0'
else
  main_no = #wallet.entries + 1
  holds.close(wallet, entries.begin(codes.kind.release, account), hold, codes.hold_status.released)
  local settled_atoms, released_atoms = first.settled, first.released
  local available_atoms, held_atoms, version, seq = account.available, account.held, wallet.version, wallet.seq
  local legs_text = legs.text(wallet, hold.legs)
  reply = { 'released', settled_atoms, released_atoms, available_atoms, held_atoms, version, epoch, seq, legs_text }
end
reply = seal.operation(wallet, outbox_key, main_no, operation_id, fingerprint, keep_ms, attached, reply)
-- COMMIT
commit(wallet, clock_key, holds_key, deadlines_key, operation_key)
return reply
