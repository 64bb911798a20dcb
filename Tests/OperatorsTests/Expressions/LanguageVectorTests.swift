import Testing

// Made with DuckDB 2.0; the few lines where it differs are listed in docs/FUNCTIONS.md.
@Test func `conditions, casts and operators give what DuckDB gives`() {
    expectValues(
        #"""
        coalesce(null, null, 3) => 3
        coalesce(null::int, null) => NULL
        coalesce('a', 'b') => a
        ifnull(null, 'x') => x
        ifnull('y', 'x') => y
        nullif('a', 'b') => a
        nullif(1, 1) => NULL
        nullif(null, 1) => NULL
        if(true, 1, 2) => 1
        if(null, 1, 2) => 2
        case when 1 > 2 then 'a' else 'b' end => b
        case 1 when 1 then 'a' end => a
        case null when null then 1 else 2 end => 2
        cast('2024-01-01' as date) => 2024-01-01
        cast(date '2024-01-01' as varchar) => 2024-01-01
        cast(1.5 as varchar) => 1.5
        cast(1e20 as varchar) => 1e+20
        cast(1e15::double as varchar) => 1000000000000000.0
        cast(0.00001::double as varchar) => 1e-05
        cast('1e3' as double) => 1000.0
        cast(' 12 ' as integer) => 12
        cast('12abc' as integer) => error: '12abc' is not a valid int64
        cast('' as integer) => error: '' is not a valid int64
        cast('true' as boolean) => true
        cast(0 as boolean) => false
        cast(true as integer) => 1
        cast('1.555' as decimal(4, 2)) => 1.56
        cast(1.555 as decimal(4, 2)) => 1.56
        cast(-1.555 as decimal(4, 2)) => -1.56
        cast(99999 as decimal(4, 2)) => error: 99999 is out of the range of decimal(4,2)
        cast(12.5::double as decimal(4, 1)) => 12.5
        cast(1e10 as bigint) => 10000000000
        cast('2024-01-01 10:00:00' as timestamp) => 2024-01-01 10:00:00
        cast('2024-01-01T10:00:00.123Z' as timestamp) => 2024-01-01 10:00:00.123
        cast(timestamp '2024-01-01 10:00:00' as date) => 2024-01-01
        cast('1 day 2 hours' as interval) => 1 day 02:00:00
        cast([1, 2] as varchar[]) => [1, 2]
        cast(['1', '2'] as bigint[]) => [1, 2]
        try_cast('x' as bigint) => NULL
        try_cast('2024-13-01' as date) => NULL
        1 + 2.5 => 3.5
        1.5 * 2.25 => 3.375
        1.10 - 0.1 => 1.00
        10 / 4 => 2.5
        10 // 4 => 2
        -10 // 4 => -2
        10 % 4 => 2
        10.5 % 4 => 2.5
        7.5 // 2 => 3.75
        0.1 + 0.2 => 0.3
        0.1::double + 0.2::double => 0.30000000000000004
        1e3 + 1 => 1001.0
        2147483648 * 2 => 4294967296
        9223372036854775807 + 1 => error: overflow in 9223372036854775807 + 1
        not true => false
        true and null => NULL
        false or null => NULL
        null or true => true
        'a' < 'b' => true
        'a' = 'a ' => false
        1 = 1.0 => true
        1.0::double = 1 => true
        1 <> 2 => true
        1 != 1 => false
        1 is distinct from null => true
        null is distinct from null => false
        1 between 0 and 2 => true
        1 not between 0 and 2 => false
        1 in (1, 2) => true
        3 in (1, 2) => false
        null in (1, 2) => NULL
        3 not in (1, null) => NULL
        'a' in ('a', 'b') => true
        true is true => true
        null is true => false
        null is not true => true
        1 is null => false
        null isnull => true
        date '2024-01-01' < timestamp '2024-01-01 00:00:01' => true
        '2024-01-01' = date '2024-01-01' => true
        decade(date '0001-01-01') => 0
        list_intersect([1, 2], [3]) => []
        unhex('zz') => error: unhex of a character that is no digit
        """#)
}
