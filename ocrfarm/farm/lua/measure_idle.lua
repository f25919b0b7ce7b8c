-- Measures for how long a job has made no progress, by the broker's clock: workers' clocks may differ by minutes.
--
-- KEYS[1]  hash: the job's record
-- ARGV[1]  what the job looks like now: its state and its counts
--
-- Returns the seconds since a call first saw the job look like this.

local now = tonumber(redis.call('TIME')[1])
if redis.call('HGET', KEYS[1], 'progress_mark') ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'progress_mark', ARGV[1], 'progress_marked_at', now)
end
return now - tonumber(redis.call('HGET', KEYS[1], 'progress_marked_at'))
