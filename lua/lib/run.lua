-- Which fences stand in a run of Redis that the ledger knows.
--
-- Kept in this process's memory and nowhere else. A Redis that starts again, or a replica that is promoted, may have
-- lost writes, and has lost this with them: every script refuses until a gateway has called verify_run with the run
-- that the ledger has for that epoch. So nothing is decided on what recovery has not seen, not even by a gateway
-- whose connection never broke.
local run = { verified = {} } -- the fence, by its key: a partition that comes from another Redis is a stranger here

-- Why nothing may be decided behind this fence; nil where it may. `standing` is the fence that Redis has.
function run.refusal(standing, fence_key, fence)
  if standing ~= fence then
    return { 'fenced' }
  end
  if run.verified[fence_key] ~= fence then
    return { 'unverified' }
  end
end

return run
