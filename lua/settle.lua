#!lua flags=allow-oom
-- Settle a hold at its true cost: wholly, or in parts until the final one, which gives the rest back.
--
-- More than is held: `charge` takes the rest from what is available, and what is missing becomes overage; `cap`
-- takes the hold at most; `reject` changes nothing. The amount is one of the hold's first asset: where it has other
-- legs that stand in for it, it is taken from them in order, and an excess from the first again.
--
-- A hold ends exactly at its deadline: from then on it has expired, and settling it is recorded once, as a final settle
-- marked late, paid from what is available. A hold that the sweep has removed comes with its terms from the ledger.
local budgets = require('budgets')
local codes = require('codes')
local commit = require('commit')
local entries = require('entry')
local grants = require('grants')
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
local late_key = KEYS[8] -- string: this hold was settled late, in this epoch; of earlier ones the ledger knows
local fence = ARGV[1]
local not_after_ms = tonumber(ARGV[2])
local environment = ARGV[3]
local operation_id = ARGV[4]
local fingerprint = ARGV[5]
local keep_ms = ARGV[6] -- how long the answer is remembered
local asset = ARGV[7]
local hold_ref = ARGV[8]
local amount_atoms = tonumber(ARGV[9])
local final = ARGV[10] -- '1' when no part follows
local on_excess = ARGV[11] -- charge, cap or reject
local expired_hold = ARGV[12] -- the terms of an expired hold, from the ledger; else empty
local attached = ARGV[13]
local looked_up = ARGV[14] -- '1': the ledger does not have this operation; '2': it has; '0': nobody has asked it

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
local late = false
if hold and hold.legs[1].asset ~= account.asset then
  return { 'unknown_hold' }
elseif hold and hold.expires_at_ms <= wallet.now_ms then
  late = true
  holds.expire(wallet, hold)
elseif not hold and redis.call('GET', late_key) == string.format('%d', wallet.epoch) then
  return { 'closed' }
elseif not hold and expired_hold ~= '' then
  late = true
  hold = holds.unpack(hold_ref, expired_hold)
elseif not hold then
  return { 'unknown_hold' }
end

-- Late, the money has come back already: what came back is what may be taken without being an excess.
local within_atoms = legs.worth(hold.legs, late and 'released' or 'held')
local spend_atoms = amount_atoms
if amount_atoms > within_atoms and on_excess == 'reject' then
  return { 'exceeds_hold', within_atoms }
elseif amount_atoms > within_atoms and on_excess == 'cap' then
  spend_atoms = within_atoms
end
-- Leg after leg gives what it can; what they don't cover is an excess, of the first leg's asset.
local first = hold.legs[1]
local excess_atoms = spend_atoms
local parts = {}
for i = 1, #hold.legs do
  local leg = hold.legs[i]
  local usable = late and math.min(leg.released, wallets.account(wallet, leg.asset).available) or leg.held
  local covered = math.min(excess_atoms, legs.covers(leg, usable))
  parts[i] = legs.convert(leg, covered)
  excess_atoms = excess_atoms - covered
end
local from_available_atoms = math.min(excess_atoms, account.available - (late and parts[1] or 0))
local from_overage_atoms = excess_atoms - from_available_atoms
if
  first.settled + parts[1] + excess_atoms > codes.limit.balance_atoms
  or account.overage + from_overage_atoms > codes.limit.balance_atoms
then
  return { 'out_of_bounds', codes.bound.balance }
end

local entry = entries.begin(codes.kind.settle, account)
local main_no = #wallet.entries + 1
for i = 1, #hold.legs do
  local leg = hold.legs[i]
  legs.settle(wallet, entry, leg, parts[i], late)
  local beyond_atoms = (late and parts[i] or 0) + (i == 1 and excess_atoms or 0)
  budgets.spend(wallet, entry, hold.tags, leg.asset, late and 0 or parts[i], beyond_atoms)
end
grants.take(wallet, entry, account, from_available_atoms, false)
entries.transfer(entry, account, codes.account.available, codes.account.revenue, from_available_atoms)
entries.transfer(entry, account, codes.account.overage, codes.account.revenue, from_overage_atoms)
first.settled = first.settled + excess_atoms
local late_flag, open_flag = 0, 0
if late then
  late_flag = 1
  first.released = math.max(0, first.released - excess_atoms)
  entry.late = true
  entry.hold_ref = hold_ref
  entry.hold_status = codes.hold_status.settled
  entry.hold_packed = holds.pack(hold)
  wallet.late_key = late_key
  wallet.late_epoch = string.format('%d', wallet.epoch)
  wallet.late_keep_ms = codes.limit.late_keep_ms
  entries.append(wallet, entry)
elseif final == '1' then
  holds.close(wallet, entry, hold, codes.hold_status.settled)
else
  open_flag = 1
  holds.keep(wallet, entry, hold, false)
  entries.append(wallet, entry)
end
budgets.alert(wallet)
local settled_atoms, released_atoms = first.settled, first.released
local overage_atoms, available_atoms, held_atoms = account.overage, account.available, account.held
local version, epoch, seq = wallet.version, wallet.epoch, wallet.seq
local legs_text = legs.text(wallet, hold.legs)
local reply = {
  'settled',
  settled_atoms,
  released_atoms,
  overage_atoms,
  available_atoms,
  held_atoms,
  late_flag,
  open_flag,
  version,
  epoch,
  seq,
  legs_text,
}
seal.operation(wallet, outbox_key, main_no, operation_id, fingerprint, keep_ms, attached, reply)
-- COMMIT
commit(wallet, clock_key, holds_key, deadlines_key, operation_key)
return reply
