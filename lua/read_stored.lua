#!lua flags=no-writes
-- Read what is stored of a wallet, whatever its epoch and fence: to be compared with the ledger, never to decide on.
--
-- With when it is due and when its holds are, as the partition's deadlines have it: the wallet itself, then each hold;
-- and with the partition's clock.
local wallets = require('wallet')

local NO_CLOCK = string.rep('\0', 24)

local wallet_key = KEYS[1] -- hash: see lib/wallet.lua
local holds_key = KEYS[2] -- hash: the wallet's open holds
local deadlines_key = KEYS[3] -- sorted set: holds and wallets by the instant at which they are due
local clock_key = KEYS[4] -- packed: seq, time, epoch

local id = wallets.id_of(wallet_key)
local fields_packed = redis.call('HGETALL', wallet_key)
local holds_packed = redis.call('HGETALL', holds_key)
local scores_packed = { redis.call('ZSCORE', deadlines_key, id) or '' }
for i = 1, #holds_packed, 2 do
  scores_packed[#scores_packed + 1] = redis.call('ZSCORE', deadlines_key, id .. holds_packed[i]) or ''
end
local clock = redis.call('GET', clock_key)
local _, clock_ms = struct.unpack('>ddd', clock or NO_CLOCK)
return { 'stored', fields_packed, holds_packed, scores_packed, clock_ms }
