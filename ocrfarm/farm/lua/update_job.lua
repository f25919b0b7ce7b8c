-- Sets fields of a job that has not ended. An end is final: who comes second changes nothing and counts nothing.
--
-- KEYS[1]  hash: the job's record
-- KEYS[2]  set: ids of the jobs that have not ended
-- KEYS[3]  hash: the metrics
-- KEYS[4]  sorted set: ids of ended jobs whose webhooks are to be delivered
-- ARGV[1]  the job's id
-- ARGV[2]  the final states, separated by spaces
-- ARGV[3]  the number of the job's chord that is expected; '' expects nothing
-- ARGV[4]  and following: names and values of the fields, in turn
--
-- Returns 1, or 0 if the job has ended, is unknown, or has another chord than expected.
-- The counter is written with HSET, since the broker's user for clients, who cancel jobs, may not use HINCRBY.

local is_final = {}
for state in string.gmatch(ARGV[2], '%S+') do
  is_final[state] = true
end

local state = redis.call('HGET', KEYS[1], 'state')
if not state or is_final[state] then
  return 0
end
if ARGV[3] ~= '' and (redis.call('HGET', KEYS[1], 'generation') or '0') ~= ARGV[3] then
  return 0
end
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
local before = state
state = redis.call('HGET', KEYS[1], 'state')
if state ~= before then
  redis.call('HDEL', KEYS[1], 'waiting') -- for what the job waited before
end
if is_final[state] then
  local counter = 'jobs ' .. state
  redis.call('SREM', KEYS[2], ARGV[1])
  redis.call('HSET', KEYS[3], counter, 1 + (redis.call('HGET', KEYS[3], counter) or 0))
  if redis.call('HGET', KEYS[1], 'webhook') then
    redis.call('HSET', KEYS[1], 'webhook', 'pending')
    redis.call('ZADD', KEYS[4], 0, ARGV[1])
  end
end
return 1
