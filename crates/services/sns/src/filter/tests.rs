//! Filter policies: what is refused, as recorded from the real service, and what is accepted, after the developer guide.

use serde_json::json;

use super::*;

/// Policy, reason, and the column that the real service names.
const REFUSED: &[(&str, &str, u32)] = &[
    (r#"{"key":[{"numeric":[">=",1,">",2]}]}"#, "Bad numeric range operator: >", 31),
    (r#"{"key":[{"numeric":[">",20,"test"]}]}"#, "Bad numeric range operator: test", 34),
    (r#"{"key":[{"numeric":[">",20,30]}]}"#, "Bad value in numeric range: 30", 30),
    (r#"{"key":[{"numeric":[">",3,"<",1]}]}"#, "Bottom must be less than top", 33),
    (r#"{"key":[]}"#, "Empty arrays are not allowed", 10),
    (r#"{"key":[{"numeric":[1,"<="]}]}"#, "Invalid member in numeric match: 1", 22),
    (r#"{"key":[{"numeric":[]}]}"#, "Invalid member in numeric match: ]", 22),
    (r#"{"key":[["value"]]}"#, "Match value must be String, number, true, false, or null", 10),
    (r#"{"key":[{"suffix":"value","prefix":"value2"}]}"#, "Only one key allowed in match expression", 37),
    (r#"{"key":[{"numeric":["<",100,">",10]}]}"#, "Too many elements in numeric expression", 30),
    (r#"{"key":[{"numeric":[">",20,"<",30,"<",50]}]}"#, "Too many terms in numeric range expression", 36),
    (r#"{"key":[{"wrong-operator":true}]}"#, "Unrecognized match type wrong-operator", 31),
    (r#"{"key":[{"numeric":["operator"]}]}"#, "Unrecognized numeric range operator: operator", 32),
    (r#"{"key":[{"anything-but":{"exists":false}}]}"#, "Unsupported anything-but pattern: exists", 40),
    (r#"{"key":[{"anything-but":{"suffix":"test"}}]}"#, "Unsupported anything-but pattern: suffix", 36),
    (r#"{"key":[{"anything-but":{"wrong-operator":null}}]}"#, "Unsupported anything-but pattern: wrong-operator", 47),
    (r#"{"key":[{"numeric":[">",20,"<","30"]}]}"#, "Value of < must be numeric", 33),
    (r#"{"key":[{"numeric":[">",20,"<="]}]}"#, "Value of <= must be numeric", 33),
    (r#"{"key":[{"numeric":[">","20","<","30"]}]}"#, "Value of > must be numeric", 26),
    (r#"{"key":[{"numeric":[">="]}]}"#, "Value of >= must be numeric", 26),
    (r#"{"key":[{"numeric":["=","000"]}]}"#, "Value of equals must be numeric", 26),
    (r#"{"key":{"not-an-operator":"value"}}"#, r#""not-an-operator" must be an object or an array"#, 28),
    (r#"{"key":{"suffix":"value","prefix":"value"}}"#, r#""suffix" must be an object or an array"#, 19),
    (r#"{"key":{"suffix":"value"}}"#, r#""suffix" must be an object or an array"#, 19),
    (r#"{"key":[{"exists":"no"}]}"#, "exists match pattern must be either true or false.", 20),
    (r#"{"key":[{"exists":null}]}"#, "exists match pattern must be either true or false.", 23),
    (r#"{"key":[{"anything-but":{"prefix":false}}]}"#, "prefix match pattern must be a string", 40),
    (r#"{"key":[{"cidr":["bad-filter"]}]}"#, "prefix match pattern must be a string", 18),
    (r#"{"key":[{"suffix":100}]}"#, "suffix match pattern must be a string", 22),
    (r#"{"key":[{"suffix":["test","test2"]}]}"#, "suffix match pattern must be a string", 20),
    (r#"{"key":[{"suffix":[]}]}"#, "suffix match pattern must be a string", 20),
    (r#"{"key":[{"suffix":null}]}"#, "suffix match pattern must be a string", 23),
];

fn refusal(text: &str, scope: Scope) -> String {
    Filter::compile(text, scope).expect_err(text).to_string()
}

#[test]
fn what_is_no_policy_is_refused_in_the_recorded_words_at_the_recorded_place() {
    for (policy, reason, column) in REFUSED {
        let expected = format!(
            "Invalid parameter: FilterPolicy: {reason}\n at [Source: (String)\"{policy}\"; line: 1, column: {column}]"
        );
        assert_eq!(refusal(policy, Scope::MessageAttributes), expected);
    }
}

#[test]
fn blocks_of_addresses_are_checked_in_the_recorded_words() {
    for (cidr, reason) in [
        ("10.0.0.0", "Malformed CIDR, one '/' required"),
        ("10.0.0.0/8/8", "Malformed CIDR, one '/' required"),
        ("10.0.0.0/x", "Malformed CIDR, mask bits must be an integer"),
        ("bad-filter/8", "Nonstandard IP address: bad-filter"),
        ("xx.11.xx/8", "Nonstandard IP address: xx.11.xx"),
        ("xxxx:db8:1234:1a00::/64", "Nonstandard IP address: xxxx:db8:1234:1a00::"),
    ] {
        let policy = json!({ "key": [{ "cidr": cidr }] }).to_string();
        let expected = format!("Invalid parameter: FilterPolicy: {reason}");
        assert_eq!(refusal(&policy, Scope::MessageAttributes), expected);
    }
}

#[test]
fn what_is_no_json_is_refused_in_the_recorded_words() {
    let source = "at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column:";
    let expected = format!(
        "Invalid parameter: FilterPolicy: failed to parse JSON. Unrecognized token 'invalid': was expecting (JSON String, \
         Number, Array, Object or token 'null', 'true' or 'false')\n {source} 8]"
    );
    assert_eq!(refusal("invalid", Scope::MessageAttributes), expected);
}

/// Source: SNS developer guide, "Filter policy constraints".
#[test]
fn keys_combinations_and_depth_are_limited() {
    let keys = |number: usize| json!((0..number).map(|key| (key.to_string(), json!(["v"]))).collect::<Map<_, _>>());
    let values = |number: usize| (0..number).collect::<Vec<_>>();
    let plain = |reason: &str| format!("Invalid parameter: FilterPolicy: {reason}");
    let is_fine = |policy: &Value, scope| Filter::compile(&policy.to_string(), scope).expect("a policy").is_some();
    for scope in [Scope::MessageAttributes, Scope::MessageBody] {
        assert!(is_fine(&keys(5), scope));
        assert_eq!(refusal(&keys(6).to_string(), scope), plain("Filter policy can not have more than 5 keys"));
        assert!(is_fine(&json!({ "a": values(15), "b": values(10) }), scope));
        let complex = json!({ "a": values(151) }).to_string();
        assert_eq!(refusal(&complex, scope), plain("Filter policy is too complex"));
    }
    let nested = json!({ "a": { "b": ["c"] } });
    assert!(is_fine(&nested, Scope::MessageBody));
    assert_eq!(
        refusal(&nested.to_string(), Scope::MessageAttributes),
        "Invalid parameter: Filter policy scope MessageAttributes does not support nested filter policy"
    );
    // Of a body's policy only the keys at the top count.
    assert!(is_fine(&json!({ "a": keys(6) }), Scope::MessageBody));
    assert_eq!(Filter::compile(" { } ", Scope::MessageBody).expect("a policy"), None);
}

fn attribute(name: &str, data_type: &str, text: &str) -> StoredAttribute {
    StoredAttribute {
        name: name.to_owned(),
        data_type: data_type.to_owned(),
        value: StoredValue::Text(text.to_owned()),
    }
}

/// Rule, data type and value of the attribute `k`, and whether it is accepted. After the developer guide: "String value
/// matching", "Numeric value matching", "Key matching", "AND/OR logic".
const BY_ATTRIBUTE: &[(&str, &str, &str, bool)] = &[
    (r#"["rugby","tennis"]"#, "String", "rugby", true),
    (r#"["rugby","tennis"]"#, "String", "baseball", false),
    (r#"["rugby","tennis"]"#, "String.Array", r#"["rugby","baseball"]"#, true),
    (r#"["rugby","tennis"]"#, "String.Array", r#"["baseball"]"#, false),
    (r#"[{"anything-but":["rugby","tennis"]}]"#, "String", "baseball", true),
    (r#"[{"anything-but":["rugby","tennis"]}]"#, "String", "rugby", false),
    (r#"[{"anything-but":["rugby","tennis"]}]"#, "String.Array", r#"["rugby","baseball"]"#, true),
    (r#"[{"anything-but":["rugby","tennis"]}]"#, "String.Array", r#"["rugby"]"#, false),
    (r#"[{"anything-but":{"prefix":"order-"}}]"#, "String", "data-entry", true),
    (r#"[{"anything-but":{"prefix":"order-"}}]"#, "String", "order-number", false),
    (r#"[{"equals-ignore-case":"tennis"}]"#, "String", "TENNIS", true),
    (r#"[{"equals-ignore-case":"tennis"}]"#, "String", "TENNI", false),
    (r#"[{"cidr":"10.0.0.0/24"}]"#, "String", "10.0.0.255", true),
    (r#"[{"cidr":"10.0.0.0/24"}]"#, "String", "10.1.1.0", false),
    (r#"[{"prefix":"bas"}]"#, "String", "baseball", true),
    (r#"[{"prefix":"bas"}]"#, "String", "rugby", false),
    (r#"[{"suffix":"ball"}]"#, "String", "baseball", true),
    (r#"[{"suffix":"ball"}]"#, "String", "rugby", false),
    (r#"[{"numeric":["=",301.5]}]"#, "Number", "301.5", true),
    (r#"[{"numeric":["=",301.5]}]"#, "Number", "3.015e2", true),
    (r#"[{"numeric":["=",301.5]}]"#, "String", "301.5", false),
    (r#"[{"numeric":[">",0,"<=",150]}]"#, "Number", "150", true),
    (r#"[{"numeric":[">",0,"<=",150]}]"#, "Number", "0", false),
    (r#"[{"numeric":["<",-5]}]"#, "Number", "-6", true),
    ("[100]", "Number", "100", true),
    ("[100]", "String", "100", false),
    (r#"[{"exists":true}]"#, "String", "x", true),
    (r#"[{"exists":false}]"#, "String", "x", false),
    // Labels of one's own are not looked at.
    (r#"["rugby"]"#, "String.sport", "rugby", false),
];

#[test]
fn attributes_are_matched_as_documented() {
    for (rule, data_type, value, expected) in BY_ATTRIBUTE {
        let filter = Filter::compile(&format!(r#"{{"k":{rule}}}"#), Scope::MessageAttributes).expect(rule).expect(rule);
        let attributes = [attribute("k", data_type, value), attribute("other", "String", "x")];
        assert_eq!(filter.accepts(&attributes, "{}"), *expected, "{rule} of {data_type} {value}");
        let without = filter.accepts(&attributes[1..], "{}");
        assert_eq!(without, rule.contains("\"exists\":false"), "{rule} without the attribute");
    }
}

#[test]
fn all_keys_must_match_and_one_alternative_of_or() {
    let attributes = [attribute("a", "String", "1"), attribute("b", "String", "2")];
    for (policy, expected) in [
        (r#"{"a":["1"],"b":["2","3"]}"#, true),
        (r#"{"a":["1"],"b":["3"]}"#, false),
        (r#"{"$or":[{"a":["0"]},{"b":["2"]}]}"#, true),
        (r#"{"$or":[{"a":["0"]},{"b":["0"]}]}"#, false),
        (r#"{"a":["0"],"$or":[{"a":["1"]},{"b":["2"]}]}"#, false),
    ] {
        let filter = Filter::compile(policy, Scope::MessageAttributes).expect(policy).expect(policy);
        assert_eq!(filter.accepts(&attributes, ""), expected, "{policy}");
    }
}

#[test]
fn bodies_are_matched_by_their_members_and_nothing_else_is() {
    let policy = r#"{"store":["example_corp"],"order":{"items":{"price":[{"numeric":[">=",100]}]}}}"#;
    let filter = Filter::compile(policy, Scope::MessageBody).expect("a policy").expect("not empty");
    let attributes = [attribute("store", "String", "example_corp")];
    for (body, expected) in [
        (r#"{"store":"example_corp","order":{"items":[{"price":1},{"price":100}]}}"#, true),
        (r#"{"store":"example_corp","order":{"items":[{"price":1}]}}"#, false),
        (r#"{"store":"example_corp"}"#, false),
        ("not json", false),
        (r#"["store"]"#, false),
    ] {
        assert_eq!(filter.accepts(&attributes, body), expected, "{body}");
    }
}
