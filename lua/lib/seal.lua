-- Turn everything that changed into arguments that are ready to be written.
local codes = require('codes')
local counters = require('counters')
local operation = require('operation')
local wallets = require('wallet')

local seal = {}

-- Even: pairs stay together.
local SLICE_LENGTH = 4000
-- Of what is not there.
local NONE = {}
local NO_OPERATION = '\0-----------\0\0'

local function add(list, first, second)
  local n = #list
  list[n + 1] = first
  list[n + 2] = second
end

local function add_account(wallet, fields, account)
  if account.changed then
    add(fields, account.field, wallets.pack_account(account))
  end
  if account.order_changed then
    add(fields, string.format('o%d', account.asset), account.order)
  end
  for _, list in pairs(account.scopes or NONE) do
    if list.changed and list.order ~= '' then
      add(fields, list.field, require('scopes').pack(list))
    elseif list.changed then
      wallets.add(wallet, 'fields_gone', list.field)
    end
  end
end

local function add_rollovers(wallet, fields)
  for grant_no in pairs(wallet.rollovers_changed) do
    local packed = wallet.rollovers[grant_no]
    local has_ended = wallet.ended and wallet.ended[grant_no]
    if packed and not has_ended then
      add(fields, string.format('r%d', grant_no), packed)
    elseif not packed then
      wallets.add(wallet, 'fields_gone', string.format('r%d', grant_no))
    end
  end
end

local function changed_fields(wallet)
  local fields = { 'w', wallets.pack_meta(wallet), nil, nil, nil, nil }
  if wallet.account then
    add_account(wallet, fields, wallet.account)
  end
  for _, account in pairs(wallet.accounts or NONE) do
    add_account(wallet, fields, account)
  end
  for _, grant in pairs(wallet.grants or NONE) do
    if grant.changed then
      add(fields, grant.field, wallets.pack_grant(grant))
    end
  end
  for grant_no, terms in pairs(wallet.terms or NONE) do
    if terms.changed then
      add(fields, string.format('t%d', grant_no), wallets.pack_terms(terms))
    end
  end
  if wallet.due then
    add(fields, 'd', wallet.due)
  end
  if wallet.rollovers_changed then
    add_rollovers(wallet, fields)
  end
  counters.add_fields(wallet, fields)
  return fields
end

-- Lua passes at most some 8,000 values to a call: only a wallet that is written whole may have more. They follow in
-- slices of their own.
local function slice(wallet, name, list, more_name)
  if list then
    wallet[name] = list
  end
  if not list or #list <= SLICE_LENGTH then
    return
  end
  local more = {}
  for from = SLICE_LENGTH + 1, #list, SLICE_LENGTH do
    more[#more + 1] = { unpack(list, from, math.min(from + SLICE_LENGTH - 1, #list)) }
  end
  wallet[name] = { unpack(list, 1, SLICE_LENGTH) }
  wallet[more_name] = more
end

-- The wallet itself: its fields, what left it, and when it is due next.
function seal.wallet(wallet)
  wallet.fields = changed_fields(wallet)
  for grant_no in pairs(wallet.ended or NONE) do
    wallets.add(wallet, 'fields_gone', string.format('g%d', grant_no), string.format('t%d', grant_no))
    wallets.add(wallet, 'fields_gone', string.format('r%d', grant_no))
  end
  if wallet.due and wallet.due_at_ms == codes.never_ms then
    wallets.add(wallet, 'deadlines_gone', wallet.id)
  elseif wallet.due then
    wallets.add(wallet, 'deadlines', string.format('%d', wallet.due_at_ms), wallet.id)
  end
  slice(wallet, 'holds', wallet.holds, 'more_holds')
  slice(wallet, 'deadlines', wallet.deadlines, 'more_deadlines')
  wallet.clock = struct.pack('>ddd', wallet.seq, wallet.now_ms, wallet.epoch)
end

-- A wallet that is written whole, in the place of whatever is there, with `fields` besides what follows from it:
-- without its head, which is written last.
--
-- The append-only file may hold the first half of a script that was torn, and run it when it is loaded again,
-- beneath what was written since (src/worker/rewrite-aof.ts). So nothing may be left of what stood there before; and
-- a half of this very script counts for nothing, since a wallet without its head is absent. What is not there Redis
-- does not delete in the file either: hence the scratch key, which is there for certain, in the same DEL.
function seal.whole(wallet, fields)
  seal.wallet(wallet)
  wallet.head = wallet.fields[2]
  for i = 3, #wallet.fields do
    fields[#fields + 1] = wallet.fields[i]
  end
  slice(wallet, 'fields', fields, 'more_fields')
end

-- A "no" that must be remembered: the record alone, nothing of the wallet. Returns the reply as it is remembered.
function seal.answer(wallet, fingerprint, keep_ms, reply)
  wallet.entries = {}
  local packed = operation.pack(reply)
  wallet.record = fingerprint .. packed
  wallet.keep_ms = keep_ms
  return packed
end

-- The whole operation. `reply` is what this call answers; unless `keep_ms` is '0' it is remembered.
--
-- The entry `main_no` is the one that the caller asked for: it carries operation, reply and what the caller
-- attached. The others (grants that expired, holds that ran out) happened beside it. Returns the reply as it is
-- remembered, which is how it is answered.
function seal.operation(wallet, outbox_key, main_no, operation_id, fingerprint, keep_ms, attached, reply)
  seal.wallet(wallet)
  local packed = operation.pack(reply)
  for no, entry in ipairs(wallet.entries) do
    if no == main_no then
      entry.packed = entry.packed
        .. struct.pack('>Bc0c11H', #operation_id, operation_id, fingerprint, #packed)
        .. packed
        .. attached
    else
      entry.packed = entry.packed .. NO_OPERATION
    end
  end
  if keep_ms ~= '0' then
    wallet.record = fingerprint .. packed
    wallet.keep_ms = keep_ms
  end
  wallet.outbox_key = outbox_key
  return packed
end

return seal
