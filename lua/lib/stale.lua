-- Whether the caller goes by what is so: the catalog's version, the wallet's configuration (subscriptions, budgets).
--
-- Gateways price by what they keep in memory, and name its versions. Where Redis has a newer catalog, or another
-- configuration, the call is refused with what is needed to ask again: nothing is decided by what was replaced. A
-- catalog that is newer than Redis's was published meanwhile: its version is taken over.
local staleness = {}

-- The refusal: what Redis has, and the instant whose windows are wanted.
function staleness.refuse(wallet, standing_version, at_ms)
  local config_text = redis.call('HGET', wallet.key, 'x') or ''
  local standing_config, redis_ms = tonumber(wallet.config_version), at_ms or wallet.now_ms
  return { 'stale', standing_version, standing_config, redis_ms, config_text }
end

-- Nil when the caller is right, and else the refusal. `catalog_version` is empty where nothing was priced.
function staleness.check(wallet, catalog_key, catalog_version, config_version)
  local standing_version, priced_version = 0, nil
  if catalog_version ~= '' then
    priced_version = tonumber(catalog_version)
    standing_version = tonumber(redis.call('HGET', catalog_key, wallet.environment) or '0')
    if standing_version < priced_version then
      wallet.catalog_key = catalog_key
      wallet.catalog_version = catalog_version
    end
  end
  if (priced_version and standing_version > priced_version) or config_version ~= wallet.config_version then
    return staleness.refuse(wallet, standing_version)
  end
end

return staleness
