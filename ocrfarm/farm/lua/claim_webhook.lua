-- Claims the job whose webhook has been due for the longest time: its next delivery is moved into the future.
--
-- KEYS[1]  sorted set: ids of ended jobs by the time of the next delivery, in milliseconds
-- ARGV[1]  seconds until the claim expires; after that, another process may claim the job
--
-- Returns the job's id and the token (the time at which the claim expires, in milliseconds), or false if none is due.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1)[1]
if not due then return false end
local token = string.format('%.0f', now + ARGV[1] * 1000)
redis.call('ZADD', KEYS[1], token, due)
return {due, token}
