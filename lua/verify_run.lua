#!lua flags=no-writes
-- Verify run: let scripts decide behind this fence, if this is the run of Redis that the ledger has for its epoch.
local run = require('run')

local fence_key = KEYS[1] -- string: installation and epoch of this partition's data
local fence = ARGV[1]
local run_id = ARGV[2]

if redis.call('GET', fence_key) ~= fence then
  return { 'fenced' }
end
if string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') ~= run_id then
  return { 'unverified' }
end
run.verified[fence] = true
return { 'verified' }
