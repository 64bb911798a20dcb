import Testing

// Made with DuckDB 2.0, which takes a comma before a closing bracket; RFC 8259 does not.
@Test func `functions of JSON give what DuckDB gives`() {
    expectValues(
        #"""
        json_extract_string('{"a":{"b":[1,"x"]}}', '$.a.b[1]') => x
        json_extract_string('{"a":null}', 'a') => NULL
        json_extract_string('{"a":1.5}', 'a') => 1.5
        json_extract_string('{"a": {"b" : 1}}', '$.a') => {"b":1}
        json_extract_string('{"a.b":1}', '$."a.b"') => 1
        json_extract_string('{"a":[1,2,3]}', '$.a[-1]') => 3
        json_extract_string('not json', 'a') => error: the text is not JSON
        json_extract_string(null, 'a') => NULL
        json_extract_string('[1]', '$.a') => NULL
        json_extract('{"a":{"b":[1,"x"]}}', '$.a.b') => [1,"x"]
        json_extract('{"a":{"b":[1,"x"]}}', '/a/b/0') => 1
        json_extract('{"a": [1, 2]}', 'a') => [1,2]
        json_extract('{"a": "x y"}', 'a') => "x y"
        json_extract('{"a": [1, 2]}', '$.b') => NULL
        json_extract('[10, 20]', '$[1]') => 20
        json_valid('{"a":') => false
        json_valid('{"a": [1, 2.5e3, true, null, "x"]}') => true
        json_valid('[01]') => false
        json_valid('[1,]') => false
        json_valid('{"a":1}x') => false
        json_valid('') => false
        json_valid(null) => NULL
        json_array_length('[1,2]') => 2
        json_array_length('{"a":[1]}', '$.a') => 1
        json_array_length('{"a":1}') => 0
        json_array_length('[]') => 0
        json_type('{"a":1}', '$.a') => UBIGINT
        json_type('[1.5]') => ARRAY
        json_type('-1') => BIGINT
        json_type('"x"') => VARCHAR
        json_type('null') => NULL
        json_type('{"a":true}', 'a') => BOOLEAN
        json_keys('{"a":1,"b":2}') => [a, b]
        json_keys('{}') => []
        json_keys('[1]') => []
        json_exists('{"a":1}', '$.b') => false
        json_exists('{"a":null}', '$.a') => true
        json_exists(null, '$.a') => NULL
        '{"a": {"b": 2}}' -> 'a' ->> 'b' => 2
        '{"a":1}' ->> '$.a' => 1
        json_extract_string('{"a":"x\ty\u00e9\ud83d\ude00\ud800"}', 'a') => x	yé😀�
        json_extract_string('{"a\u0062":1}', 'ab') => 1
        json_extract_string('{"a":1.50}', 'a') => 1.50
        """#)
}

@Test func `JSON nested without end is refused, not followed`() {
    let deep = String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000)
    #expect(value(of: "json_valid('\(deep)')") == "false")
    #expect(value(of: "json_array_length('\(deep)')") == "error: the text is not JSON")
}
