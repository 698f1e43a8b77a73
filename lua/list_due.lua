#!lua flags=no-writes
-- List what is due in a partition, soonest first: wallets with grants to start or expire, holds past their deadline.
--
-- A member is a wallet's id (22 characters), followed by a hold's ref where it is a hold.
local run = require('run')

local fence_key = KEYS[1] -- string: installation and epoch of this partition's data
local clock_key = KEYS[2] -- packed: seq, time, epoch
local deadlines_key = KEYS[3] -- sorted set: holds and wallets by the instant at which they are due
local fence = ARGV[1]
local members_max = tonumber(ARGV[2])

local found = redis.call('MGET', fence_key, clock_key)
local refusal = run.refusal(found[2] and found[1], fence_key, fence)
if refusal then
  return refusal
end
local time = redis.call('TIME')
local _, clock_ms = struct.unpack('>ddd', found[2])
local now_ms = math.max(clock_ms, time[1] * 1000 + math.floor(time[2] / 1000))
local due = redis.call('ZRANGE', deadlines_key, '-inf', now_ms, 'BYSCORE', 'LIMIT', 0, members_max)
local members_text = table.concat(due, ' ')
return { 'due_members', members_text, now_ms }
