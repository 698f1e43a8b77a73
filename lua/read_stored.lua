#!lua flags=no-writes
-- Read what is stored of a wallet, whatever its epoch and fence: to be compared with the ledger, never to decide on.
local wallet_key = KEYS[1] -- hash: see lib/wallet.lua
local holds_key = KEYS[2] -- hash: the wallet's open holds

local fields_packed = redis.call('HGETALL', wallet_key)
local holds_packed = redis.call('HGETALL', holds_key)
return { 'stored', fields_packed, holds_packed }
