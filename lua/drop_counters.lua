#!lua flags=allow-oom
-- Drop counters of a wallet that can change nothing any more: what was counted for budgets that were deleted since, and
-- of prices in windows that are long over.
--
-- A budget's number is given once, so nothing is counted by it again; a hold that counts there gives back to nothing,
-- and its settle counts nowhere. A price's bucket counts for a day after its window (lib/usage.lua), by the time of the
-- newest entry in the partition, which is in the ledger too: nothing can count by an earlier one later. Nothing is
-- decided otherwise without them, so no entry tells of it; the ledger keeps what they last were.
local budgets = require('budgets')
local commit = require('commit')
local run = require('run')
local usage = require('usage')
local wallets = require('wallet')

local fence_key = KEYS[1] -- string: installation and epoch of this partition's data
local clock_key = KEYS[2] -- packed: seq, time, epoch
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua
local fence = ARGV[1]
local names = ARGV[2] -- of counters, with blanks between them, a thousand at most; what still counts stays

local found = redis.call('MGET', fence_key, clock_key)
local refusal = run.refusal(found[2] and found[1], fence_key, fence)
if refusal then
  return refusal
end
local fields = redis.call('HMGET', wallet_key, 'w', 'x')
if not fields[1] then
  return { 'absent' }
end
local _, verified_epoch = wallets.read_stamp(fields[1])
local _, clock_ms, present_epoch = struct.unpack('>ddd', found[2])
if verified_epoch ~= present_epoch then
  return { 'absent' }
end
local gone = {}
for name in string.gmatch(names, '%S+') do
  local kind = string.sub(name, 1, 1)
  if kind == 'b' and not budgets.is_configured(fields[2], name) then
    gone[#gone + 1] = name
  elseif kind == 'u' then
    local packed = redis.call('HGET', wallet_key, name)
    if packed and usage.is_over(packed, clock_ms) then
      gone[#gone + 1] = name
    end
  end
end
local dropped_count = #gone
if dropped_count == 0 then
  return { 'dropped', dropped_count }
end
-- Its head is written as it stands.
local changed = { key = wallet_key, fields = { 'w', fields[1] }, fields_gone = gone, entries = {} }
-- COMMIT
commit(changed, clock_key)
return { 'dropped', dropped_count }
