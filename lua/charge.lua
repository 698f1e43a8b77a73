#!lua
-- Charge: check the wallet and take the money in one step, with no hold before it, or say no.
--
-- Decides as authorize does, and remembers a decline in the same case only.
local budgets = require('budgets')
local codes = require('codes')
local commit = require('commit')
local decide = require('decide')
local entries = require('entry')
local fallback = require('fallback')
local grants = require('grants')
local holds = require('holds')
local legs = require('legs')
local plain_spend = require('plain_spend')
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
local catalog_key = KEYS[8] -- hash: environment → version of the catalog that prices it
local fence = ARGV[1]
local not_after_ms = tonumber(ARGV[2])
local environment = ARGV[3]
local operation_id = ARGV[4]
local fingerprint = ARGV[5]
local keep_ms = ARGV[6] -- how long the answer is remembered
local asset = ARGV[7]
local amount_atoms = tonumber(ARGV[8])
local mode = ARGV[9] -- strict, up_to or shadow; unpriced: nothing prices it, so only a first answer is repeated
local repeated = ARGV[10] -- '1' when this repeats an attempt whose outcome is unknown
local looked_up = ARGV[11] -- '1': the ledger does not have this operation; '2': it has; '0': nobody has asked it
local config_version = ARGV[12] -- of the wallet's subscriptions and budgets, as the caller knows them
local attached = ARGV[13]
-- What follows is not sent where it is empty.
local catalog_version = ARGV[14] or '' -- that priced this; empty: nothing was priced
local told_text = ARGV[15] or '' -- what the answer says besides, kept with it: the lines that were priced
local budgets_packed = ARGV[16] or '' -- the budgets that this counts in; see lib/budgets.lua
-- Where there is nothing of what follows, the request is for one amount, known before.
local is_plain = ARGV[17] == nil
local lines_packed = ARGV[17] or '' -- what counts over a period, for the script to price; see lib/usage.lua
local scopes_packed = ARGV[18] or '' -- by which scopes what of it is covered; see lib/scopes.lua
local legs_packed = ARGV[19] or '' -- H asset, d atoms, d num, d den each: what goes with it in other assets
local fallbacks_packed = ARGV[20] or '' -- the lines that fall back on other assets; see lib/fallback.lua

local fields, refusal, clock, redis_ms =
  wallets.look(fence_key, clock_key, wallet_key, operation_key, fence, not_after_ms, fingerprint, asset, looked_up)
if not fields then
  return refusal
end
local wallet, reply
if is_plain and (mode == 'strict' or mode == 'up_to') then
  wallet, reply = plain_spend.charge(
    wallet_key,
    outbox_key,
    catalog_key,
    fields,
    clock,
    redis_ms,
    environment,
    config_version,
    catalog_version,
    asset,
    amount_atoms,
    budgets_packed,
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
  local stale = staleness.check(wallet, catalog_key, catalog_version, config_version)
  if stale then
    return stale
  end
  if mode == 'unpriced' then
    return { 'unpriced' }
  end
  local account = wallet.account
  local version, epoch, seq = wallet.stored_version, wallet.epoch, wallet.stored_seq
  local available_atoms, held_atoms = account.available, account.held

  local list = legs.list(account.asset, amount_atoms, legs_packed, scopes_packed)
  local lines, unpriced = usage.price(wallet, lines_packed, wallet.now_ms, true)
  if not lines then
    return unpriced
  end
  local too_large = usage.add(lines, list, 'amount')
  if too_large then
    return too_large
  end
  usage.add_to_parts(lines, list)
  local lines_text = usage.text(lines, list[1].amount)
  if fallbacks_packed ~= '' then
    fallback.spread(wallet, list, fallbacks_packed, lines, scopes_packed ~= '')
  end
  local sent = budgets.open(wallet, budgets_packed)
  if not sent then
    return staleness.refuse(wallet, 0)
  end
  local take_atoms, reason, affordable_atoms, short_asset, budget_no = decide(wallet, list, mode, sent)
  if wallet.freeze ~= codes.freeze.none then
    take_atoms, reason, affordable_atoms, short_asset, budget_no = nil, codes.reason.frozen, 0, 0, 0
  end

  if mode == 'shadow' then
    local legs_text = legs.text(wallet, list)
    if take_atoms then
      return { 'shadow_approved', take_atoms, available_atoms, held_atoms, version, epoch, seq, legs_text, lines_text }
    end
    return {
      'shadow_declined',
      reason,
      available_atoms,
      held_atoms,
      affordable_atoms,
      short_asset,
      budget_no,
      version,
      epoch,
      seq,
      legs_text,
      lines_text,
    }
  end

  if reason == codes.reason.held_in_flight or reason == codes.reason.budget then
    local overdue_refs = holds.overdue(wallet, deadlines_key)
    if overdue_refs ~= '' then
      return { 'overdue', overdue_refs }
    end
  end

  if take_atoms then
    local entry = entries.begin(codes.kind.charge, account)
    list[1].amount = take_atoms
    for i = 1, #list do
      local leg = list[i]
      local of_leg = wallets.account(wallet, leg.asset)
      grants.take(wallet, entry, of_leg, leg.amount, false, leg.parts)
      entries.transfer(entry, of_leg, codes.account.available, codes.account.revenue, leg.amount)
      budgets.charge(sent, entry, leg.asset, leg.amount)
      leg.settled = leg.amount
    end
    usage.count(wallet, entry, lines)
    entries.append(wallet, entry)
    local main_no = #wallet.entries
    -- Alerts are versions of their own: the charge is the one before them.
    available_atoms, version = account.available, wallet.version
    budgets.alert(wallet)
    seq = wallet.seq
    local legs_text = legs.text(wallet, list)
    reply =
      { 'charged', take_atoms, available_atoms, held_atoms, version, epoch, seq, legs_text, told_text, lines_text }
    reply = seal.operation(wallet, outbox_key, main_no, operation_id, fingerprint, keep_ms, attached, reply)
  else
    reply = {
      'declined',
      reason,
      available_atoms,
      held_atoms,
      affordable_atoms,
      short_asset,
      budget_no,
      version,
      epoch,
      seq,
      told_text,
      lines_text,
    }
    if repeated ~= '1' then
      return reply
    end
    reply = seal.answer(wallet, fingerprint, keep_ms, reply)
  end
end
-- COMMIT
commit(wallet, clock_key, holds_key, deadlines_key, operation_key)
return reply
