-- Measures for how long a job's retention has been over, as far as calls have seen it: by the broker's clock alone.
--
-- KEYS[1]  hash: the job's record
-- ARGV[1]  the retention in seconds
-- ARGV[2]  the final states to which it applies, separated by spaces
--
-- Returns the seconds since the first call that found it over, or -1 if it is not over.

local state = redis.call('HGET', KEYS[1], 'state')
local applies = false
for each in string.gmatch(ARGV[2], '%S+') do
  applies = applies or each == state
end
if not applies then return -1 end
local now = tonumber(redis.call('TIME')[1])
local values = redis.call('HMGET', KEYS[1], 'finished', 'kept_from', 'submitted')
local ended = tonumber(values[1] or values[3] or now)
if math.max(ended, tonumber(values[2] or 0)) + ARGV[1] > now then
  redis.call('HDEL', KEYS[1], 'expired_at')
  return -1
end
local since = tonumber(redis.call('HGET', KEYS[1], 'expired_at') or now)
if since >= now then
  redis.call('HSET', KEYS[1], 'expired_at', now)
  since = now
end
return now - since
