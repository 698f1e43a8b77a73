#!lua flags=allow-oom
-- Settle a hold at its true cost: wholly, or in parts until the final one, which gives the rest back.
--
-- More than is held: `charge` takes the rest from what is available, and what is missing becomes overage; `cap`
-- takes the hold at most; `reject` changes nothing; each asset for itself (lib/dues.lua). The amount is one of the
-- hold's first asset: where it has other legs that stand in for it, it is taken from them in order, and an excess from
-- the first again. What an event costs may be due in other assets, too, and its lines may fall back on others
-- (lib/fallback.lua).
--
-- A hold ends exactly at its deadline: from then on it has expired, and settling it is recorded once, as a final settle
-- marked late, paid from what is available. A hold that the sweep has removed comes with its terms from the ledger.
local budgets = require('budgets')
local codes = require('codes')
local commit = require('commit')
local dues = require('dues')
local entries = require('entry')
local fallback = require('fallback')
local holds = require('holds')
local legs = require('legs')
local plain_settle = require('plain_settle')
local seal = require('seal')
local staleness = require('stale')
local usage = require('usage')
local wallets = require('wallet')

local fence_key = KEYS[1] -- string: installation and epoch of this partition's data
local clock_key = KEYS[2] -- packed: seq, time, epoch
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua
local holds_key = KEYS[4] -- hash: the wallet's open holds
local deadlines_key = KEYS[5] -- sorted set: holds and wallets by the instant at which they are due
local operation_key = KEYS[6] -- string: what this operation answered
local outbox_key = KEYS[7] -- stream: entries on their way to the ledger
local late_key = KEYS[8] -- string: this hold was settled late, in this epoch; of earlier ones the ledger knows
local catalog_key = KEYS[9] -- hash: environment → version of the catalog that prices it
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
local on_excess = ARGV[11] -- charge, cap or reject; unpriced: nothing prices it, so only a first answer is repeated
local looked_up = ARGV[12] -- '1': the ledger does not have this operation; '2': it has; '0': nobody has asked it
local config_version = ARGV[13] -- of the wallet's subscriptions, as the caller knows them
local attached = ARGV[14]
local catalog_version = ARGV[15] or '' -- that priced this; empty: nothing was priced
local told_text = ARGV[16] or '' -- what the answer says besides, kept with it: the lines that were priced
-- Where there is nothing of what follows, the settle is of one amount, known before.
local is_plain = ARGV[17] == nil and final == '1' and on_excess ~= 'unpriced'
local lines_packed = ARGV[17] or '' -- what counts over a period, for the script to price; see lib/usage.lua
local scopes_packed = ARGV[18] or '' -- of an event: by which scopes what of it is covered; see lib/scopes.lua
local dues_packed = ARGV[19] or '' -- H asset, d atoms each: what is due in other assets than the first
local expired_hold = ARGV[20] or '' -- the terms of an expired hold, from the ledger; else empty
local fallbacks_packed = ARGV[21] or '' -- the lines that fall back on other assets; see lib/fallback.lua

local fields, refusal, clock, redis_ms =
  wallets.look(fence_key, clock_key, wallet_key, operation_key, fence, not_after_ms, fingerprint, asset, looked_up)
if not fields then
  return refusal
end
local wallet, reply
if is_plain then
  wallet, reply = plain_settle.settle(
    wallet_key,
    holds_key,
    outbox_key,
    catalog_key,
    fields,
    clock,
    redis_ms,
    environment,
    config_version,
    catalog_version,
    asset,
    hold_ref,
    amount_atoms,
    told_text,
    operation_id,
    fingerprint,
    keep_ms,
    attached
  )
end
if not wallet then
  wallet, refusal = wallets.enter(wallet_key, fields, clock, redis_ms, environment, asset, looked_up)
  if not wallet then
    return refusal
  end
  local stale
  if catalog_version ~= '' then
    stale = staleness.check(wallet, catalog_key, catalog_version, config_version)
  end
  if stale then
    return stale
  end
  if on_excess == 'unpriced' then
    return { 'unpriced' }
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

  local first = hold.legs[1]
  local lines, unpriced = usage.price(wallet, lines_packed, usage.instant_of(wallet, hold), true)
  if not lines then
    return unpriced
  end
  local refused = dues.assign(hold, amount_atoms, dues_packed, lines)
  if refused then
    return refused
  end
  local lines_text = usage.text(lines, first.due)
  local no
  if fallbacks_packed ~= '' then
    no = fallback.plan(wallet, hold, fallbacks_packed, lines, scopes_packed, late, on_excess)
  else
    if hold.scopes or scopes_packed ~= '' then
      require('scopes').assign(hold, scopes_packed, lines, catalog_version ~= '')
    end
    no = dues.plan(wallet, hold.legs, late, on_excess)
  end
  if not no then
    no = dues.check(wallet, hold.legs)
  end
  if no then
    return no
  end
  local entry = entries.begin(codes.kind.settle, account)
  local main_no = #wallet.entries + 1
  dues.settle(wallet, entry, hold, late)
  usage.count(wallet, entry, lines)
  local late_flag, open_flag = 0, 0
  if late then
    late_flag = 1
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
  -- Alerts are versions of their own: the settle is the one before them.
  local version, epoch = wallet.version, wallet.epoch
  budgets.alert(wallet)
  local seq = wallet.seq
  local settled_atoms, released_atoms = first.settled, first.released
  local overage_atoms, available_atoms, held_atoms = account.overage, account.available, account.held
  local legs_text = legs.text(wallet, hold.legs)
  reply = {
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
    told_text,
    lines_text,
  }
  reply = seal.operation(wallet, outbox_key, main_no, operation_id, fingerprint, keep_ms, attached, reply)
end
-- COMMIT
commit(wallet, clock_key, holds_key, deadlines_key, operation_key)
return reply
