-- Measures for how long a job has made no progress, by the broker's clock: workers' clocks may differ by minutes.
--
-- KEYS[1]  hash: the job's record
-- ARGV[1]  what the job looks like now: its state and its counts
--
-- Returns the seconds since a call first saw the job look like this; 0 if the broker does not know the job.

if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local now = tonumber(redis.call('TIME')[1])
local since = tonumber(redis.call('HGET', KEYS[1], 'progress_marked_at') or now)
if redis.call('HGET', KEYS[1], 'progress_mark') ~= ARGV[1] or since > now then
  redis.call('HSET', KEYS[1], 'progress_mark', ARGV[1], 'progress_marked_at', now)
  since = now
end
return now - since
