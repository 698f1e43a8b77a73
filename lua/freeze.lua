#!lua flags=allow-oom
-- Freeze a wallet, or lift a freeze: a frozen wallet approves nothing, but settles and releases go on.
--
-- An operator lifts an operator's freeze only. A freeze by the system replaces an operator's, never the reverse. What
-- the system does because of what it saw, it does only while the wallet is still what was seen.
local codes = require('codes')
local commit = require('commit')
local entries = require('entry')
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
local from_freeze = tonumber(ARGV[7]) -- lift this freeze; 0: freeze
local to_freeze = tonumber(ARGV[8]) -- freeze for this reason; 0: lift
local attached = ARGV[9]
local looked_up = ARGV[10] -- '1': the ledger does not have this operation; '2': it has; '0': nobody has asked it
local seen_at = ARGV[11] -- '<epoch>.<version>': only while the wallet is there; empty: wherever it is

local wallet, refusal = wallets.open(
  fence_key,
  clock_key,
  wallet_key,
  operation_key,
  fence,
  not_after_ms,
  fingerprint,
  environment,
  '0',
  looked_up
)
if not wallet then
  return refusal
end
if seen_at ~= '' and seen_at ~= string.format('%d.%d', wallet.epoch, wallet.stored_version) then
  return { 'moved' }
end
local freeze = wallet.freeze
local allowed = from_freeze == freeze or (to_freeze > codes.freeze.operator and freeze == codes.freeze.operator)
if not allowed or from_freeze == to_freeze then
  return { 'unchanged', freeze }
end

wallet.freeze = to_freeze
local kind = to_freeze == codes.freeze.none and codes.kind.unfreeze or codes.kind.freeze
entries.append(wallet, entries.begin(kind, nil))
local version, epoch, seq = wallet.version, wallet.epoch, wallet.seq
local reply = { 'changed', to_freeze, version, epoch, seq }
reply = seal.operation(wallet, outbox_key, #wallet.entries, operation_id, fingerprint, keep_ms, attached, reply)
-- COMMIT
commit(wallet, clock_key, holds_key, deadlines_key, operation_key)
return reply
