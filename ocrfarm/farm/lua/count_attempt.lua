-- Counts an attempt, or a failure, at an item of a job. Of a job that the broker does not know, nothing is kept.
--
-- KEYS[1]  hash: the job's record
-- KEYS[2]  hash: attempts, or failures, by item
-- ARGV[1]  the item: a tile, a quarter of a tile, or a task
--
-- Returns how many there have been with this one.

if redis.call('EXISTS', KEYS[1]) == 0 then return 1 end
return redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
