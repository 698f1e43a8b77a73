#!lua flags=allow-oom
-- Void a grant: take back what it has left. What is held goes when it returns.
local codes = require('codes')
local commit = require('commit')
local entries = require('entry')
local grants = require('grants')
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
local grant_no = tonumber(ARGV[8])
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
local terms = wallets.terms(wallet, grant_no)
if not terms or terms.asset ~= wallet.account.asset then
  return { 'unknown_grant' }
elseif terms.state ~= codes.grant_state.scheduled and terms.state ~= codes.grant_state.active then
  local state = terms.state
  return { 'ended', state }
end

local account = wallet.account
local entry = entries.begin(codes.kind.void_grant, account)
entry.grant_no = grant_no
local taken_atoms
local held_atoms = 0
if terms.state == codes.grant_state.scheduled then
  taken_atoms = terms.amount
  account.scheduled = account.scheduled - taken_atoms
  account.changed = true
  wallets.end_grant(wallet, grant_no)
else
  local grant = wallets.grant(wallet, grant_no)
  taken_atoms, held_atoms = grant.remaining, grant.held
  entries.transfer(entry, account, codes.account.available, codes.account.voided, taken_atoms)
  grants.leave_order(wallet, account, grant_no)
  grant.remaining = 0
  entries.touch(entry, grant)
end
terms.state = codes.grant_state.voided
terms.changed = true
entries.append(wallet, entry)
local at_ms, version, epoch, seq = wallet.now_ms, wallet.version, wallet.epoch, wallet.seq
local reply = { 'voided', taken_atoms, held_atoms, at_ms, version, epoch, seq }
reply = seal.operation(wallet, outbox_key, #wallet.entries, operation_id, fingerprint, keep_ms, attached, reply)
-- COMMIT
commit(wallet, clock_key, holds_key, deadlines_key, operation_key)
return reply
