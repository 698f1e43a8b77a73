#!lua flags=allow-oom
-- Raise catalog: from now on this partition prices an environment's events with this catalog version or a later one.
--
-- A version lower than the one that stands changes nothing: two publishes may reach a partition in any order.
local run = require('run')

local fence_key = KEYS[1] -- string: installation and epoch of this partition's data
local catalog_key = KEYS[2] -- hash: catalog version by environment
local fence = ARGV[1]
local environment = ARGV[2]
local catalog_version = ARGV[3]

local refusal = run.refusal(redis.call('GET', fence_key), fence_key, fence)
if refusal then
  return refusal
end
local standing = redis.call('HGET', catalog_key, environment)
if standing and tonumber(standing) >= tonumber(catalog_version) then
  return { 'raised' }
end
-- COMMIT
redis.call('HSET', catalog_key, environment, catalog_version)
return { 'raised' }
