-- Counts a region of the second pass as read or given up. Of a job that the broker does not know, nothing is kept.
--
-- KEYS[1]  hash: the job's record
-- KEYS[2]  set: the regions that were read or given up
-- ARGV[1]  the region
--
-- Returns nothing.

if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('SADD', KEYS[2], ARGV[1])
end
