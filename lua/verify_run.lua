#!lua flags=no-writes
-- Verify run: let scripts decide behind this fence, if this is the run of Redis that the ledger has for its epoch.
local run = require('run')

local fence_key = KEYS[1] -- string: installation and epoch of this partition's data
local fence = ARGV[1]
local run_id = ARGV[2]

if redis.call('GET', fence_key) ~= fence then
  return { 'fenced' }
end
-- As in src/worker/identity.ts.
local present = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local before = string.match(redis.call('INFO', 'replication'), 'master_replid2:(%w+)')
if before and string.find(before, '[^0]') then
  present = present .. ':' .. before
end
if present ~= run_id then
  return { 'unverified' }
end
run.verified[fence_key] = fence
return { 'verified' }
