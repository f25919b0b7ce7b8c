-- Counts a tile as read or as given up, and other things with it. A tile that is marked twice counts once. Of a job that
-- the broker does not know, nothing is kept.
--
-- KEYS[1]  set: the tiles that were read, or those that were given up
-- KEYS[2]  hash: attempts by tile
-- KEYS[3]  hash: the metrics
-- KEYS[4]  hash: the job's record
-- ARGV[1]  the tile
-- ARGV[2]  name of the counter of such tiles
-- ARGV[3]  and following: names of counters and what is added to each, in turn; added each time
--
-- Returns nothing.

if redis.call('EXISTS', KEYS[4]) == 1 and redis.call('SADD', KEYS[1], ARGV[1]) == 1 then
  redis.call('HINCRBY', KEYS[3], ARGV[2], 1)
end
redis.call('HDEL', KEYS[2], ARGV[1])
for index = 3, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[3], ARGV[index], ARGV[index + 1])
end
