#!lua
-- Authorize: check the wallet and hold the money for one request, or say no.
--
-- A decline changes nothing and is not remembered, except when it answers a repeat after an unknown outcome:
-- then the delayed first attempt finds the "no" and cannot take money after it. A shadow decides like `strict`
-- and writes nothing. An explanation goes the whole way, tells where the money would come from, and stops where writing
-- would begin.
local budgets = require('budgets')
local codes = require('codes')
local commit = require('commit')
local decide = require('decide')
local entries = require('entry')
local fallback = require('fallback')
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
local mode = ARGV[9] -- strict, up_to, shadow; explain_strict, explain_up_to: only tell; unpriced: only repeat an answer
local ttl_ms = tonumber(ARGV[10])
local repeated = ARGV[11] -- '1' when this repeats an attempt whose outcome is unknown
local looked_up = ARGV[12] -- '1': the ledger does not have this operation; '2': it has; '0': nobody has asked it
local config_version = ARGV[13] -- of the wallet's subscriptions and budgets, as the caller knows them
local attached = ARGV[14]
-- What follows is not sent where it is empty.
local catalog_version = ARGV[15] or '' -- that priced this; empty: nothing was priced
local told_text = ARGV[16] or '' -- what the answer says besides, kept with it: the lines that were priced
local budgets_packed = ARGV[17] or '' -- the budgets that this counts in; see lib/budgets.lua
-- Where there is nothing of what follows, the request is for one amount, known before.
local is_plain = ARGV[18] == nil
local lines_packed = ARGV[18] or '' -- what counts over a period, for the script to price; see lib/usage.lua
local scopes_packed = ARGV[19] or '' -- by which scopes what of it is covered; see lib/scopes.lua
local legs_packed = ARGV[20] or '' -- H asset, d atoms, d num, d den each: what goes with it in other assets
local fallbacks_packed = ARGV[21] or '' -- the lines that fall back on other assets; see lib/fallback.lua

local fields, refusal, clock, redis_ms =
  wallets.look(fence_key, clock_key, wallet_key, operation_key, fence, not_after_ms, fingerprint, asset, looked_up)
if not fields then
  return refusal
end
local wallet, reply
if is_plain and (mode == 'strict' or mode == 'up_to') then
  wallet, reply = plain_spend.hold(
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
    ttl_ms,
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

  local list, scopes = legs.list(account.asset, amount_atoms, legs_packed, scopes_packed)
  local lines, unpriced = usage.price(wallet, lines_packed, wallet.now_ms, false)
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
  local explains = mode == 'explain_strict' or mode == 'explain_up_to'
  local how = explains and string.sub(mode, 9) or mode
  local take_atoms, reason, affordable_atoms, short_asset, budget_no = decide(wallet, list, how, sent)
  if wallet.freeze ~= codes.freeze.none then
    take_atoms, reason, affordable_atoms, short_asset, budget_no = nil, codes.reason.frozen, 0, 0, 0
  elseif take_atoms and wallet.open_holds >= codes.limit.open_holds then
    take_atoms, reason, affordable_atoms, short_asset, budget_no = nil, codes.reason.too_many_holds, 0, 0, 0
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

  if
    reason == codes.reason.held_in_flight
    or reason == codes.reason.too_many_holds
    or reason == codes.reason.budget
  then
    local overdue_refs = holds.overdue(wallet, deadlines_key)
    if overdue_refs ~= '' then
      return { 'overdue', overdue_refs }
    end
  end

  if explains then
    local budgets_text = budgets.text(sent)
    -- What was due is applied here, and written by whoever reads the wallet: it is at this version then.
    version = wallet.version
    local legs_text = legs.text(wallet, list)
    if take_atoms then
      list[1].amount = take_atoms
      holds.open(wallet, entries.begin(codes.kind.hold, account), list, sent, ttl_ms, scopes)
      local sources_text = legs.sources_text(list)
      return { 'would_approve', take_atoms, version, epoch, seq, sources_text, legs_text, budgets_text, lines_text }
    end
    return {
      'would_decline',
      reason,
      affordable_atoms,
      short_asset,
      budget_no,
      version,
      epoch,
      seq,
      legs_text,
      budgets_text,
      lines_text,
    }
  end

  if take_atoms then
    local entry = entries.begin(codes.kind.hold, account)
    list[1].amount = take_atoms
    holds.open(wallet, entry, list, sent, ttl_ms, scopes)
    entries.append(wallet, entry)
    local created_at_ms = wallet.now_ms
    available_atoms, held_atoms, version, seq = account.available, account.held, wallet.version, wallet.seq
    local legs_text = legs.text(wallet, list)
    reply = {
      'approved',
      take_atoms,
      available_atoms,
      held_atoms,
      created_at_ms,
      version,
      epoch,
      seq,
      legs_text,
      told_text,
      lines_text,
    }
    reply = seal.operation(wallet, outbox_key, #wallet.entries, operation_id, fingerprint, keep_ms, attached, reply)
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
