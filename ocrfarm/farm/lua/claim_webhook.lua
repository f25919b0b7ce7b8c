-- Takes the job whose webhook has been due the longest, and puts its next delivery off by a lease.
--
-- KEYS[1]  sorted set: ids of ended jobs by the time of the next delivery, in milliseconds
-- ARGV[1]  seconds of the lease: who claimed the job has so long to deliver, then another process may claim it
--
-- Returns the job's id and the lease (the time at which it ends, in milliseconds), or false if none is due.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1)[1]
if not due then return false end
local lease = string.format('%.0f', now + ARGV[1] * 1000)
redis.call('ZADD', KEYS[1], lease, due)
return {due, lease}
