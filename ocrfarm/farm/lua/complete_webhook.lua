-- Ends a claim of `claim_webhook`. If the token has changed, another process has claimed the job, or the job has ended
-- once more, and nothing happens.
--
-- KEYS[1]  sorted set: ids of ended jobs by the time of the next delivery, in milliseconds
-- KEYS[2]  hash: the job's record
-- ARGV[1]  the job's id
-- ARGV[2]  the token
-- ARGV[3]  seconds until the next delivery; '' if there is none
-- ARGV[4]  the webhook's state from now on; '' leaves the record as it is
-- ARGV[5]  why the last delivery failed; '' if it did not
--
-- Returns nothing.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, job in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[2], ARGV[2])) do
  if job == ARGV[1] then
    if ARGV[3] ~= '' then
      redis.call('ZADD', KEYS[1], now + ARGV[3] * 1000, job)
    else
      redis.call('ZREM', KEYS[1], job)
    end
    if ARGV[4] ~= '' and redis.call('EXISTS', KEYS[2]) == 1 then
      redis.call('HSET', KEYS[2], 'webhook', ARGV[4], 'webhook_error', ARGV[5])
    end
  end
end
