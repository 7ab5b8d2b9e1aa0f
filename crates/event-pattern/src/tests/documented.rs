//! Every comparison operator and example of the EventBridge user guide, "Comparison operators for use in event patterns":
//! a pattern, an event it is about, and one it is not.

use super::*;

/// What is documented, the pattern, an event that matches and one that does not.
const EXAMPLES: &[(&str, &str, &str, &str)] = &[
    (
        "and",
        r#"{"Location": ["New York"], "Day": ["Monday"]}"#,
        r#"{"Location": "New York", "Day": "Monday"}"#,
        r#"{"Location": "New York", "Day": "Sunday"}"#,
    ),
    (
        "anything-but",
        r#"{"state": [{"anything-but": "initializing"}]}"#,
        r#"{"state": "pending"}"#,
        r#"{"state": "initializing"}"#,
    ),
    (
        "anything-but: begins with",
        r#"{"Region": [{"anything-but": {"prefix": "us-"}}]}"#,
        r#"{"Region": "eu-west-1"}"#,
        r#"{"Region": "us-east-1"}"#,
    ),
    (
        "anything-but: ends with",
        r#"{"FileName": [{"anything-but": {"suffix": ".png"}}]}"#,
        r#"{"FileName": "a.txt"}"#,
        r#"{"FileName": "a.png"}"#,
    ),
    (
        "anything-but: ignore case",
        r#"{"state": [{"anything-but": {"equals-ignore-case": "initializing"}}]}"#,
        r#"{"state": "pending"}"#,
        r#"{"state": "INITIALIZING"}"#,
    ),
    (
        "anything-but: wildcard",
        r#"{"FilePath": [{"anything-but": {"wildcard": "*/lib/*"}}]}"#,
        r#"{"FilePath": "/usr/bin/x"}"#,
        r#"{"FilePath": "/usr/lib/x"}"#,
    ),
    ("begins with", r#"{"Region": [{"prefix": "us-"}]}"#, r#"{"Region": "us-east-1"}"#, r#"{"Region": "eu-west-1"}"#),
    (
        "begins with (ignore case)",
        r#"{"service": [{"prefix": {"equals-ignore-case": "eventb"}}]}"#,
        r#"{"service": "EventBridge"}"#,
        r#"{"service": "event"}"#,
    ),
    ("empty", r#"{"LastName": [""]}"#, r#"{"LastName": ""}"#, r#"{"LastName": "Doe"}"#),
    ("equals", r#"{"Name": ["Alice"]}"#, r#"{"Name": "Alice"}"#, r#"{"Name": "alice"}"#),
    (
        "equals (ignore case)",
        r#"{"Name": [{"equals-ignore-case": "alice"}]}"#,
        r#"{"Name": "Alice"}"#,
        r#"{"Name": "Alicia"}"#,
    ),
    ("ends with", r#"{"FileName": [{"suffix": ".png"}]}"#, r#"{"FileName": "a.png"}"#, r#"{"FileName": "a.PNG"}"#),
    (
        "ends with (ignore case)",
        r#"{"service": [{"suffix": {"equals-ignore-case": "tBridge"}}]}"#,
        r#"{"service": "EVENTBRIDGE"}"#,
        r#"{"service": "bridge"}"#,
    ),
    ("exists", r#"{"ProductName": [{"exists": true}]}"#, r#"{"ProductName": "x"}"#, r#"{"Product": "x"}"#),
    ("does not exist", r#"{"ProductName": [{"exists": false}]}"#, r#"{"Product": "x"}"#, r#"{"ProductName": "x"}"#),
    ("not", r#"{"Weather": [{"anything-but": ["Raining"]}]}"#, r#"{"Weather": "Dry"}"#, r#"{"Weather": "Raining"}"#),
    ("null", r#"{"UserID": [null]}"#, r#"{"UserID": null}"#, r#"{"UserID": ""}"#),
    ("numeric (equals)", r#"{"Price": [{"numeric": ["=", 100]}]}"#, r#"{"Price": 100}"#, r#"{"Price": 100.5}"#),
    ("numeric (range)", r#"{"Price": [{"numeric": [">", 10, "<=", 20]}]}"#, r#"{"Price": 20}"#, r#"{"Price": 10}"#),
    ("or", r#"{"PaymentType": ["Credit", "Debit"]}"#, r#"{"PaymentType": "Debit"}"#, r#"{"PaymentType": "Cash"}"#),
    (
        "or (multiple fields)",
        r#"{"$or": [{"Location": ["New York"]}, {"Day": ["Monday"]}]}"#,
        r#"{"Location": "Boston", "Day": "Monday"}"#,
        r#"{"Location": "Boston", "Day": "Sunday"}"#,
    ),
    (
        "wildcard",
        r#"{"FileName": [{"wildcard": "dir/*.png"}]}"#,
        r#"{"FileName": "dir/a.png"}"#,
        r#"{"FileName": "other/a.png"}"#,
    ),
    (
        "prefix of a time",
        r#"{"time": [{"prefix": "2017-10-02"}]}"#,
        r#"{"time": "2017-10-02T18:43:48Z"}"#,
        r#"{"time": "2017-10-03T18:43:48Z"}"#,
    ),
    (
        "anything-but a number",
        r#"{"detail": {"x-limit": [{"anything-but": 123}]}}"#,
        r#"{"detail": {"x-limit": 124}}"#,
        r#"{"detail": {"x-limit": 123}}"#,
    ),
    (
        "anything-but texts",
        r#"{"detail": {"state": [{"anything-but": ["stopped", "overloaded"]}]}}"#,
        r#"{"detail": {"state": "pending"}}"#,
        r#"{"detail": {"state": "overloaded"}}"#,
    ),
    (
        "anything-but numbers",
        r#"{"detail": {"x-limit": [{"anything-but": [100, 200, 300]}]}}"#,
        r#"{"detail": {"x-limit": 150}}"#,
        r#"{"detail": {"x-limit": 200}}"#,
    ),
    (
        "anything-but: ignore case, a list",
        r#"{"detail": {"state": [{"anything-but": {"equals-ignore-case": ["initializing", "stopped"]}}]}}"#,
        r#"{"detail": {"state": "pending"}}"#,
        r#"{"detail": {"state": "Stopped"}}"#,
    ),
    (
        "anything-but: begins with, a list",
        r#"{"detail": {"state": [{"anything-but": {"prefix": ["init", "error"]}}]}}"#,
        r#"{"detail": {"state": "pending"}}"#,
        r#"{"detail": {"state": "error: x"}}"#,
    ),
    (
        "anything-but: ends with, a list",
        r#"{"detail": {"FileName": [{"anything-but": {"suffix": [".txt", ".rtf"]}}]}}"#,
        r#"{"detail": {"FileName": "a.png"}}"#,
        r#"{"detail": {"FileName": "a.rtf"}}"#,
    ),
    (
        "anything-but: wildcard, a list",
        r#"{"detail": {"FilePath": [{"anything-but": {"wildcard": ["*/lib/*", "*/bin/*"]}}]}}"#,
        r#"{"detail": {"FilePath": "/usr/share/x"}}"#,
        r#"{"detail": {"FilePath": "/usr/bin/x"}}"#,
    ),
    (
        "numeric, all of several fields",
        r#"{"detail": {"c-count": [{"numeric": [">", 0, "<=", 5]}], "d-count": [{"numeric": ["<", 10]}], "x-limit": [{"numeric": ["=", 3.018e2]}]}}"#,
        r#"{"detail": {"c-count": 5, "d-count": 9, "x-limit": 301.8}}"#,
        r#"{"detail": {"c-count": 5, "d-count": 10, "x-limit": 301.8}}"#,
    ),
    (
        "IP addresses",
        r#"{"detail": {"sourceIPAddress": [{"cidr": "10.0.0.0/24"}]}}"#,
        r#"{"detail": {"sourceIPAddress": "10.0.0.255"}}"#,
        r#"{"detail": {"sourceIPAddress": "10.0.1.0"}}"#,
    ),
    (
        "exists, beside other fields",
        r#"{"detail-type": ["EC2 Instance State-change Notification"], "detail": {"state": [{"exists": true}]}}"#,
        r#"{"detail-type": "EC2 Instance State-change Notification", "detail": {"state": "pending"}}"#,
        r#"{"detail-type": "EC2 Instance State-change Notification", "detail": {"count": {"state": 1}}}"#,
    ),
    (
        "does not exist, beside other fields",
        r#"{"detail-type": ["EC2 Instance State-change Notification"], "detail": {"state": [{"exists": false}]}}"#,
        r#"{"detail-type": "EC2 Instance State-change Notification", "detail": {"c-count": 5}}"#,
        r#"{"detail-type": "EC2 Instance State-change Notification", "detail": {"state": "pending"}}"#,
    ),
    (
        "several wildcards",
        r#"{"EventBusArn": [{"wildcard": "arn:aws:events:us-east-1:*:event-bus/*"}]}"#,
        r#"{"EventBusArn": "arn:aws:events:us-east-1:123456789012:event-bus/mine"}"#,
        r#"{"EventBusArn": "arn:aws:events:us-west-2:123456789012:event-bus/mine"}"#,
    ),
    (
        "wildcard, a literal star",
        r#"{"FileName": [{"wildcard": "a\\*b*"}]}"#,
        r#"{"FileName": "a*bc"}"#,
        r#"{"FileName": "axbc"}"#,
    ),
    (
        "wildcard, a literal backslash",
        r#"{"FileName": [{"wildcard": "a\\\\*"}]}"#,
        r#"{"FileName": "a\\b"}"#,
        r#"{"FileName": "a*b"}"#,
    ),
    (
        "several operators together",
        r#"{"time": [{"prefix": "2017-10-02"}], "detail": {"state": [{"anything-but": "initializing"}], "c-count": [{"numeric": [">", 0, "<=", 5]}], "d-count": [{"numeric": ["<", 10]}], "x-limit": [{"anything-but": [100, 200, 300]}]}}"#,
        r#"{"time": "2017-10-02T18:43:48Z", "detail": {"state": "x", "c-count": 1, "d-count": 1, "x-limit": 1}}"#,
        r#"{"time": "2017-10-02T18:43:48Z", "detail": {"state": "x", "c-count": 1, "d-count": 1, "x-limit": 100}}"#,
    ),
    (
        "$or within detail, beside other fields",
        r#"{"detail-type": ["x"], "detail": {"$or": [{"c-count": [{"numeric": [">", 0, "<=", 5]}]}, {"d-count": [{"numeric": ["<", 10]}]}, {"x-limit": [{"numeric": ["=", 3.018e2]}]}]}}"#,
        r#"{"detail-type": "x", "detail": {"c-count": 9, "d-count": 11, "x-limit": 301.8}}"#,
        r#"{"detail-type": "x", "detail": {"c-count": 9, "d-count": 11, "x-limit": 300}}"#,
    ),
];

#[test]
fn documented_examples_match_what_is_documented() {
    for (about, pattern, matching, other) in EXAMPLES {
        let compiled = EventPattern::parse(pattern).unwrap_or_else(|error| panic!("{about}: {error}"));
        let event = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        assert!(compiled.matches(&event(matching)), "{about}: {matching}");
        assert!(!compiled.matches(&event(other)), "{about}: {other}");
        let mut index = PatternIndex::default();
        index.insert(1, compiled);
        assert_eq!(index.matches(&event(matching)), [&1], "{about}: {matching}");
        assert!(index.matches(&event(other)).is_empty(), "{about}: {other}");
    }
}
