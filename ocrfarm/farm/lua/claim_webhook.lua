-- Claims the delivery of a job's webhook: the next delivery is moved into the future. If the time has changed since the
-- caller saw it, another process has claimed the job, or the job has ended once more.
--
-- KEYS[1]  sorted set: ids of ended jobs by the time of the next delivery, in milliseconds
-- ARGV[1]  the job's id
-- ARGV[2]  the time of the next delivery that the caller saw
-- ARGV[3]  seconds until the claim expires; after that, another process may claim the job
--
-- Returns the token (the time at which the claim expires, in milliseconds), or false if the job cannot be claimed.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, job in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[2], ARGV[2])) do
  if job == ARGV[1] then
    local token = string.format('%.0f', now + ARGV[3] * 1000)
    redis.call('ZADD', KEYS[1], token, job)
    return token
  end
end
return false
