//! Patterns that are none: the texts recorded from the real service, to the letter. A text quotes its pattern.

use super::*;

const RECORDED: &str = include_str!("../../../../../tests/e2e/conformance/events_errors.tsv");
/// Texts that do not quote their pattern.
const WITHOUT_PLACE: [(&str, &str); 4] = [
    (r#"{"a": [{"cidr": "10.0.0.0/x"}]}"#, "Malformed CIDR, mask bits must be an integer"),
    (r#"{"a": [{"cidr": "10.0.0.0"}]}"#, "Malformed CIDR, one '/' required"),
    (r#"{"a": [{"cidr": "xx.11.xx/8"}]}"#, "Nonstandard IP address: xx.11.xx"),
    (r#"{"a": [{"cidr": "xxxx:db8:1234:1a00::/64"}]}"#, "Nonstandard IP address: xxxx:db8:1234:1a00::"),
];

/// The text and its pattern, of a row that quotes it.
fn quoted(row: &str) -> Option<(String, String)> {
    let mut columns = row.split('\t').skip(2);
    let (further, text) = (columns.next()?, columns.next()?);
    let text = match serde_json::from_str::<Value>(further) {
        // The recorder kept the whole text beside its first line.
        Ok(further) => further["MessageRaw"].as_str()?.to_owned(),
        Err(_) => text.replace(" /  at [", "\n at ["),
    };
    let text = text.replace("<partition>", "aws").replace("<region>", "us-east-1");
    let pattern = text.split_once("(String)\"")?.1.split_once("\"; line: ")?.0.to_owned();
    Some((text, pattern))
}

#[tokio::test(start_paused = true)]
async fn recorded_texts_to_the_letter() {
    let server = Server::start().await;
    let rows: Vec<(String, String)> = RECORDED.lines().filter_map(quoted).collect();
    assert_eq!(rows.len(), 37, "rows of the table that quote a pattern");
    for (text, pattern) in rows {
        let input = json!({"EventPattern": pattern, "Event": "{}"});
        server.refused("TestEventPattern", input, "InvalidEventPatternException", &text).await;
    }
    for (pattern, reason) in WITHOUT_PLACE {
        let text = format!("Event pattern is not valid. Reason: {reason}");
        let input = json!({"Name": "r", "EventPattern": pattern});
        server.refused("PutRule", input, "InvalidEventPatternException", &text).await;
    }
}
