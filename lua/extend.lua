#!lua
-- Extend a hold: more time, more money, or both; all of it or nothing.
--
-- Time counts from now and never shortens. Money is checked as authorize checks it, and comes on top of the hold's
-- first leg. A hold that is past its deadline expires here, and is told so.
local budgets = require('budgets')
local codes = require('codes')
local commit = require('commit')
local decide = require('decide')
local entries = require('entry')
local holds = require('holds')
local legs = require('legs')
local seal = require('seal')
local staleness = require('stale')
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
local amount_atoms = tonumber(ARGV[9]) -- in addition to what is held
local ttl_ms = tonumber(ARGV[10]) -- 0: the deadline stays
local repeated = ARGV[11] -- '1' when this repeats an attempt whose outcome is unknown
local attached = ARGV[12]
local looked_up = ARGV[13] -- '1': the ledger does not have this operation; '2': it has; '0': nobody has asked it
local config_version = ARGV[14] -- of the wallet's subscriptions and budgets, as the caller knows them
local budgets_packed = ARGV[15] -- all budgets of the wallet; see lib/budgets.lua

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
local stale = staleness.check(wallet, '', '', config_version)
if stale then
  return stale
end
local account = wallet.account
local version, epoch, seq = wallet.stored_version, wallet.epoch, wallet.stored_seq
local available_atoms, held_atoms = account.available, account.held

local hold = holds.read(holds_key, hold_ref)
if not hold or hold.legs[1].asset ~= account.asset then
  return { 'unknown_hold' }
end
local first = hold.legs[1]
local sent = budgets.open(wallet, budgets_packed, hold.tags)
if not sent then
  return staleness.refuse(wallet, 0)
end
local list = legs.list(account.asset, amount_atoms, '', '')
if hold.scopes then
  first.parts = { { atoms = amount_atoms, scopes = hold.scopes } }
  list[1].parts = first.parts
end
local take_atoms, reason, affordable_atoms, short_asset, budget_no = decide(wallet, list, 'strict', sent)
local expired = hold.expires_at_ms <= wallet.now_ms
if wallet.freeze ~= codes.freeze.none then
  take_atoms, reason, affordable_atoms, short_asset, budget_no = nil, codes.reason.frozen, 0, 0, 0
elseif take_atoms and not expired and first.amount + take_atoms > codes.limit.amount_atoms then
  return { 'out_of_bounds', codes.bound.amount }
end
if (reason == codes.reason.held_in_flight or reason == codes.reason.budget) and not expired then
  local overdue_refs = holds.overdue(wallet, deadlines_key)
  if overdue_refs ~= '' then
    return { 'overdue', overdue_refs }
  end
end

local reply
if expired then
  holds.expire(wallet, hold)
  local settled_atoms, released_atoms = first.settled, first.released
  seq = wallet.seq
  reply = { 'expired', settled_atoms, released_atoms, epoch, seq }
  reply = seal.operation(wallet, outbox_key, 0, operation_id, fingerprint, '0', '', reply)
elseif take_atoms then
  local entry = entries.begin(codes.kind.extend, account)
  holds.take(wallet, entry, first, take_atoms)
  budgets.extend(sent, entry, first.asset, take_atoms, hold.tags)
  first.amount = first.amount + take_atoms
  hold.expires_at_ms = math.max(hold.expires_at_ms, wallet.now_ms + ttl_ms)
  holds.keep(wallet, entry, hold, true)
  entries.append(wallet, entry)
  available_atoms, held_atoms, version, seq = account.available, account.held, wallet.version, wallet.seq
  local total_atoms, expires_at_ms, at_ms = first.amount, hold.expires_at_ms, wallet.now_ms
  local legs_text = legs.text(wallet, hold.legs)
  reply = { 'extended', total_atoms, available_atoms, held_atoms, expires_at_ms, at_ms, version, epoch, seq, legs_text }
  reply = seal.operation(wallet, outbox_key, #wallet.entries, operation_id, fingerprint, keep_ms, attached, reply)
else
  reply =
    { 'declined', reason, available_atoms, held_atoms, affordable_atoms, short_asset, budget_no, version, epoch, seq }
  if repeated ~= '1' then
    return reply
  end
  reply = seal.answer(wallet, fingerprint, keep_ms, reply)
end
-- COMMIT
commit(wallet, clock_key, holds_key, deadlines_key, operation_key)
return reply
