#!lua flags=allow-oom
-- Take credit back whose money has gone back, or end what was set aside for it.
--
-- Of what set_aside.lua holds; where that is less, or not there any more, of the grant that was bought, then of what is
-- available, and what is missing then is owed: the money has gone. Nothing to take: the hold is released.
local aside = require('aside')
local codes = require('codes')
local commit = require('commit')
local entries = require('entry')
local grants = require('grants')
local holds = require('holds')
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
local hold_ref = ARGV[8] -- there may be no such hold
local grant_no = tonumber(ARGV[9]) -- what was bought
local amount_atoms = tonumber(ARGV[10]) -- 0: nothing is taken
local attached = ARGV[11]
local looked_up = ARGV[12] -- '1': the ledger does not have this operation; '2': it has; '0': nobody has asked it

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
local hold = holds.read(holds_key, hold_ref)
if hold and hold.legs[1].asset ~= account.asset then
  hold = nil
end
local leg = hold and hold.legs[1]
if not hold and amount_atoms == 0 then
  return { 'nothing' }
end
local held_atoms = leg and math.min(amount_atoms, leg.held) or 0
local reach_atoms = aside.reach(wallet, account, grant_no, false)
local available_atoms = math.min(amount_atoms - held_atoms, reach_atoms)
local owed_atoms = amount_atoms - held_atoms - available_atoms
if account.overage + owed_atoms > codes.limit.balance_atoms then
  return { 'out_of_bounds' }
end

local refunded = codes.account.refunded
local entry = entries.begin(amount_atoms > 0 and codes.kind.refund or codes.kind.release, account)
if held_atoms > 0 then
  grants.spend_held(wallet, entry, leg, held_atoms)
  entries.transfer(entry, account, codes.account.held, refunded, held_atoms)
  leg.held = leg.held - held_atoms
end
if available_atoms > 0 then
  aside.take(wallet, entry, account, grant_no, available_atoms, false)
  entries.transfer(entry, account, codes.account.available, refunded, available_atoms)
end
entries.transfer(entry, account, codes.account.overage, refunded, owed_atoms)
local main_no = #wallet.entries + 1
local released_atoms = 0
if hold then
  leg.settled = leg.settled + amount_atoms
  released_atoms = leg.held
  local ended = amount_atoms > 0 and codes.hold_status.settled or codes.hold_status.released
  holds.close(wallet, entry, hold, ended)
else
  entries.append(wallet, entry)
end
local version, epoch, seq = wallet.version, wallet.epoch, wallet.seq
local reply = { 'taken_back', held_atoms, available_atoms, owed_atoms, released_atoms, version, epoch, seq }
reply = seal.operation(wallet, outbox_key, main_no, operation_id, fingerprint, keep_ms, attached, reply)
-- COMMIT
commit(wallet, clock_key, holds_key, deadlines_key, operation_key)
return reply
