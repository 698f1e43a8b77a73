#!lua flags=allow-oom
-- Remember: an operation that the ledger has, and that this Redis has lost, gets its record back.
--
-- Then the call is repeated, and finds it, as any repeat does.
local run = require('run')

local fence_key = KEYS[1] -- string: installation and epoch of this partition's data
local operation_key = KEYS[2] -- string: what this operation answered
local fence = ARGV[1]
local record_packed = ARGV[2] -- fingerprint and reply, as lib/operation.lua packs them
local keep_ms = ARGV[3]

if redis.call('GET', fence_key) ~= fence then
  return { 'fenced' }
end
if not run.verified[fence] then
  return { 'unverified' }
end
-- COMMIT
redis.call('SET', operation_key, record_packed, 'PX', keep_ms, 'NX')
return { 'remembered' }
