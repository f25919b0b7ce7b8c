-- Counts a tile as read or as given up, and other things with it. A tile that is marked twice counts once. Of a job that
-- the broker does not know, nothing is kept.
--
-- KEYS[1]  set: the tiles that were read, or those that were given up
-- KEYS[2]  hash: attempts by tile
-- KEYS[3]  hash: the metrics
-- KEYS[4]  hash: the job's record
-- ARGV[1]  the tile; empty if only the other things are counted
-- ARGV[2]  name of the counter of such tiles
-- ARGV[3]  milliseconds that the engine took, for the account of the job
-- ARGV[4]  and following: names of counters and what is added to each, in turn; added each time
--
-- Returns nothing.

if redis.call('EXISTS', KEYS[4]) == 1 then
  redis.call('HINCRBY', KEYS[4], 'used_milliseconds', ARGV[3])
  if ARGV[1] ~= '' and redis.call('SADD', KEYS[1], ARGV[1]) == 1 then
    redis.call('HINCRBY', KEYS[3], ARGV[2], 1)
    redis.call('HINCRBY', KEYS[4], 'used_tiles', 1)
  end
end
redis.call('HDEL', KEYS[2], ARGV[1])
for index = 4, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[3], ARGV[index], ARGV[index + 1])
end
