#!lua flags=allow-oom
-- Set credit that was bought aside, in a hold without a deadline: it is about to be refunded, or is disputed.
--
-- A refund that was asked for takes from the grant that its purchase became, all or nothing; `up_to` takes what there
-- is, of that grant first. The caller names the hold, by a name that no hold's id can have, so that no request reaches
-- it; take_back.lua ends it. It counts in no budget: nothing is spent.
local aside = require('aside')
local codes = require('codes')
local commit = require('commit')
local entries = require('entry')
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
local hold_ref = ARGV[8]
local grant_no = tonumber(ARGV[9]) -- what was bought
local amount_atoms = tonumber(ARGV[10])
local mode = ARGV[11] -- strict: of that grant, all or nothing, and not while the wallet is frozen; up_to: what there is
local attached = ARGV[12]
local looked_up = ARGV[13] -- '1': the ledger does not have this operation; '2': it has; '0': nobody has asked it

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
local strict = mode == 'strict'
if strict and wallet.freeze ~= codes.freeze.none then
  return { 'frozen' }
end
local known = holds.read(holds_key, hold_ref)
if known then
  local taken_atoms, version = known.legs[1].held, wallet.stored_version
  local epoch, seq = wallet.epoch, wallet.stored_seq
  return { 'set_aside', taken_atoms, version, epoch, seq }
end
local reach_atoms = aside.reach(wallet, account, grant_no, strict)
if reach_atoms == 0 or (strict and reach_atoms < amount_atoms) then
  return { 'short', reach_atoms }
end

local taken_atoms = math.min(amount_atoms, reach_atoms)
local entry = entries.begin(codes.kind.hold, account)
local sources = aside.take(wallet, entry, account, grant_no, taken_atoms, true)
entries.transfer(entry, account, codes.account.available, codes.account.held, taken_atoms)
wallet.open_holds = wallet.open_holds + 1
holds.keep(wallet, entry, {
  ref = hold_ref,
  legs = {
    {
      asset = account.asset,
      amount = taken_atoms,
      held = taken_atoms,
      settled = 0,
      released = 0,
      num = 1,
      den = 1,
      sources = sources,
    },
  },
  tags = {},
  created_at_ms = wallet.now_ms,
  expires_at_ms = codes.far_ms,
}, true)
entries.append(wallet, entry)
local version, epoch, seq = wallet.version, wallet.epoch, wallet.seq
local reply = { 'set_aside', taken_atoms, version, epoch, seq }
reply = seal.operation(wallet, outbox_key, #wallet.entries, operation_id, fingerprint, keep_ms, attached, reply)
-- COMMIT
commit(wallet, clock_key, holds_key, deadlines_key, operation_key)
return reply
