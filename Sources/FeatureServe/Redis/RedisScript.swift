/// The Lua that writes a view's row on a Redis server unless it has a newer one.
enum RedisScript {
    /// - Shape: KEYS[1] is the entity's key; ARGV: the name of the event time, the event time as a `Timestamp`,
    ///   the name of the mark of a deletion, 1 for a deletion; then names and values, of a deletion
    ///   names only. Answers 1, or 0 when what is there is newer.
    static let setNewer = """
        local function time(s)
          local sec, nan, i = 0, 0, 1
          while i <= #s do
            local tag = s:byte(i)
            i = i + 1
            local v, c, m, n, b = 0, 0, 1, 0, 0
            repeat
              b = s:byte(i)
              if not b then return 0, 0 end
              i = i + 1
              n = n + 1
              if n <= 9 then
                v = v + (b % 128) * m
                c = c + (127 - b % 128) * m
                m = m * 128
              end
            until b < 128
            if n == 10 then v = -c - 1 end
            if tag == 8 then sec = v elseif tag == 16 then nan = v end
          end
          return sec, nan
        end
        local key = KEYS[1]
        local sec, nan = time(ARGV[2])
        local old = redis.call('HMGET', key, ARGV[1], ARGV[3])
        for i = 1, 2 do
          if old[i] then
            local s, n = time(old[i])
            if s > sec or (s == sec and n > nan) then return 0 end
          end
        end
        if ARGV[4] == '1' then
          redis.call('HDEL', key, ARGV[1])
          for i = 5, #ARGV, 1000 do
            redis.call('HDEL', key, unpack(ARGV, i, math.min(i + 999, #ARGV)))
          end
          redis.call('HSET', key, ARGV[3], ARGV[2])
        else
          redis.call('HSET', key, ARGV[1], ARGV[2])
          for i = 5, #ARGV, 1000 do
            redis.call('HSET', key, unpack(ARGV, i, math.min(i + 999, #ARGV)))
          end
          if old[2] then redis.call('HDEL', key, ARGV[3]) end
        end
        return 1
        """

    /// The name of the mark that a view's row was deleted, beside Feast's own fields.
    static func deletion(view: String) -> [UInt8] { Array("_del:\(view)".utf8) }
}
