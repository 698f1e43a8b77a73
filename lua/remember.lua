#!lua flags=allow-oom
-- Remember: an operation that the ledger has, and that this Redis has lost or cannot vouch for, gets its record back.
--
-- Then the call is repeated, and finds it, as any repeat does. What is there is of an earlier epoch, or the same.
local run = require('run')

local fence_key = KEYS[1] -- string: installation and epoch of this partition's data
local operation_key = KEYS[2] -- string: what this operation answered
local fence = ARGV[1]
local record_packed = ARGV[2] -- fingerprint and reply, as lib/operation.lua packs them
local keep_ms = ARGV[3]

local refusal = run.refusal(redis.call('GET', fence_key), fence_key, fence)
if refusal then
  return refusal
end
-- COMMIT
redis.call('SET', operation_key, record_packed, 'PX', keep_ms)
return { 'remembered' }
