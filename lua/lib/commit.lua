-- Write what has been sealed, and nothing else: no decisions, no arithmetic.
--
-- Redis has no rollback, so everything that can go wrong has happened before. The stream comes last but one and
-- the clock last: should a write ever fail, the gap shows in the ledger's proof of contiguous versions.
local function commit(wallet, clock_key, holds_key, deadlines_key, operation_key)
  -- What lib/plain.lua makes ready is a list: this, and from the twelfth place on the wallet's fields.
  local wallet_key, outbox_key, entry_id, entry_packed, clock, record, keep_ms, ref, hold, expires_at_ms, member =
    unpack(wallet, 1, 11)
  if wallet_key then
    redis.call('HSET', wallet_key, unpack(wallet, 12))
    if hold then
      redis.call('HSET', holds_key, ref, hold)
      redis.call('ZADD', deadlines_key, expires_at_ms, member)
    elseif ref then
      redis.call('HDEL', holds_key, ref)
      redis.call('ZREM', deadlines_key, member)
    end
    if record then
      redis.call('SET', operation_key, record, 'PX', keep_ms)
    end
    redis.call('XADD', outbox_key, entry_id, 'e', entry_packed)
    redis.call('SET', clock_key, clock)
    return
  end
  if wallet.fields then
    redis.call('HSET', wallet.key, unpack(wallet.fields))
    if wallet.more_fields then
      for _, slice in ipairs(wallet.more_fields) do
        redis.call('HSET', wallet.key, unpack(slice))
      end
    end
    if wallet.fields_gone then
      redis.call('HDEL', wallet.key, unpack(wallet.fields_gone))
    end
    if wallet.holds then
      redis.call('HSET', holds_key, unpack(wallet.holds))
      if wallet.more_holds then
        for _, slice in ipairs(wallet.more_holds) do
          redis.call('HSET', holds_key, unpack(slice))
        end
      end
    end
    if wallet.holds_gone then
      redis.call('HDEL', holds_key, unpack(wallet.holds_gone))
    end
    if wallet.deadlines then
      redis.call('ZADD', deadlines_key, unpack(wallet.deadlines))
      if wallet.more_deadlines then
        for _, slice in ipairs(wallet.more_deadlines) do
          redis.call('ZADD', deadlines_key, unpack(slice))
        end
      end
    end
    if wallet.deadlines_gone then
      redis.call('ZREM', deadlines_key, unpack(wallet.deadlines_gone))
    end
  end
  if wallet.record then
    redis.call('SET', operation_key, wallet.record, 'PX', wallet.keep_ms)
  end
  if wallet.catalog_key then
    redis.call('HSET', wallet.catalog_key, wallet.environment, wallet.catalog_version)
  end
  if wallet.late_key then
    redis.call('SET', wallet.late_key, wallet.late_epoch, 'PX', wallet.late_keep_ms)
  end
  for _, entry in ipairs(wallet.entries) do
    redis.call('XADD', wallet.outbox_key, entry.id, 'e', entry.packed)
  end
  if wallet.clock then
    redis.call('SET', clock_key, wallet.clock)
  end
end

return commit
