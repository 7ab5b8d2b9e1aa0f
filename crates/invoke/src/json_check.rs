//! Is a payload JSON, and if not, why: in the words of the parser the real service uses (Jackson). Pure.
//!
//! The payload itself is never changed: it reaches the function byte for byte.

use serde::de::IgnoredAny;

const WHERE: &str = "REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)";
const A_VALUE: &str = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";

/// # Errors
/// The text for the caller.
pub(crate) fn check(payload: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(payload).map_err(|error| not_utf8(payload, error.valid_up_to()))?;
    serde_json::from_str::<IgnoredAny>(text).map(|_| ()).map_err(|error| not_json(text, &error))
}

fn full(reason: &str, text: &[u8], at: usize) -> String {
    format!(
        "Could not parse request body into json: Could not parse payload into json: {reason}\n at [{}]",
        source(text, at)
    )
}

/// Position of the byte at `at`, counted from 1.
fn source(text: &[u8], at: usize) -> String {
    let before = &text[..at.min(text.len())];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    format!("Source: {WHERE}; line: {line}, column: {column}")
}

/// Jackson reads bytes: it looks at a character as a whole only within a text or a word, and is behind it then. Anywhere
/// else a byte is what it is in Latin-1.
fn not_utf8(payload: &[u8], valid_up_to: usize) -> String {
    let start = payload[valid_up_to];
    let before = String::from_utf8_lossy(&payload[..valid_up_to]);
    if let Err(error) = serde_json::from_str::<IgnoredAny>(&before)
        && !error.is_eof()
    {
        return not_json(&before, &error);
    }
    let is_in_word = before.ends_with(|c: char| c.is_ascii_alphanumeric());
    if !open_at(payload, valid_up_to).1 && !is_in_word {
        let text = format!("{before}{}", char::from(start));
        if let Err(error) = serde_json::from_str::<IgnoredAny>(&text) {
            return not_json(&text, &error);
        }
    }
    let length = match start {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return full(&format!("Invalid UTF-8 start byte 0x{start:x}"), payload, valid_up_to + 1),
    };
    let rest = &payload[valid_up_to + 1..payload.len().min(valid_up_to + length)];
    let (reason, read) = match rest.iter().position(|byte| byte & 0xc0 != 0x80) {
        Some(middle) => (format!("Invalid UTF-8 middle byte 0x{:x}", rest[middle]), middle + 2),
        None if rest.len() + 1 < length => ("Unexpected end-of-input in UTF-8 character".to_owned(), rest.len() + 1),
        None => (format!("Invalid UTF-8 start byte 0x{start:x}"), 1),
    };
    full(&reason, payload, valid_up_to + read)
}

/// A character as Jackson names it.
fn named(c: char) -> String {
    match u32::from(c) {
        code if c.is_control() => format!("(CTRL-CHAR, code {code})"),
        code if code > 0xff => format!("'{c}' (code {code} / 0x{code:x})"),
        code => format!("'{c}' (code {code})"),
    }
}

fn not_json(text: &str, error: &serde_json::Error) -> String {
    let bytes = text.as_bytes();
    if error.is_eof() {
        return full(&end_of_input(bytes), bytes, bytes.len());
    }
    let line_start: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let at = (line_start + error.column().saturating_sub(1)).min(bytes.len().saturating_sub(1));
    let at = (0..=at).rev().find(|&index| text.is_char_boundary(index)).unwrap_or(0);
    let found = text[at..].chars().next().unwrap_or(' ');
    let unexpected = format!("Unexpected character ({})", named(found));
    // serde_json offers its reason as text only; what is not told apart here gets the general form.
    let detail = error.to_string();
    let reason =
        if detail.starts_with("key must be a string") || detail.starts_with("trailing comma") && in_object(bytes, at) {
            format!("{unexpected}: was expecting double-quote to start field name")
        } else if detail.starts_with("expected `:`") {
            format!("{unexpected}: was expecting a colon to separate field name and value")
        } else if detail.starts_with("expected `,` or `}`") {
            format!("{unexpected}: was expecting comma to separate Object entries")
        } else if detail.starts_with("expected `,` or `]`") {
            format!("{unexpected}: was expecting comma to separate Array entries")
        } else if detail.starts_with("control character") {
            format!(
                "Illegal unquoted character ({}): has to be escaped using backslash to be included in string value",
                named(found)
            )
        } else if detail.starts_with("invalid escape") {
            format!("Unrecognized character escape {}", named(found))
        } else if let Some(token) = bare_word(text, at) {
            format!("Unrecognized token '{token}': was expecting {A_VALUE}")
        } else {
            format!("{unexpected}: expected a valid value {A_VALUE}")
        };
    full(&reason, bytes, at)
}

/// The word around `at` that looks like a misspelt `true`, `false` or `null`, or like an unquoted text.
fn bare_word(text: &str, at: usize) -> Option<&str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let start = text[..at]
        .rfind(|c| !is_word(c))
        .map_or(0, |before| before + text[before..].chars().next().map_or(1, char::len_utf8));
    let word = &text[start..];
    let end = word.find(|c| !is_word(c)).unwrap_or(word.len());
    let word = &word[..end];
    word.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '$').then_some(word)
}

/// The brackets that are open at `end`, as positions, and whether a string is.
fn open_at(bytes: &[u8], end: usize) -> (Vec<usize>, bool) {
    let (mut open, mut in_string, mut escaped) = (Vec::new(), false, false);
    for (at, byte) in bytes[..end].iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => open.push(at),
            b'}' | b']' if !in_string => {
                open.pop();
            }
            _ => {}
        }
    }
    (open, in_string)
}

fn in_object(bytes: &[u8], at: usize) -> bool {
    open_at(bytes, at).0.last().is_some_and(|&open| bytes[open] == b'{')
}

fn end_of_input(bytes: &[u8]) -> String {
    let (open, in_string) = open_at(bytes, bytes.len());
    if in_string {
        return "Unexpected end-of-input: was expecting closing quote for a string value".to_owned();
    }
    match open.last() {
        Some(&at) => {
            let kind = if bytes[at] == b'{' { "Object" } else { "Array" };
            let marker = source(bytes, at);
            format!("Unexpected end-of-input: expected close marker for {kind} (start marker at [{marker}])")
        }
        None => "Unexpected end-of-input".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(payload: &[u8]) -> String {
        let text = check(payload).expect_err("not JSON");
        let rest = text
            .strip_prefix("Could not parse request body into json: Could not parse payload into json: ")
            .expect("recorded beginning");
        rest.split_once("\n at [").expect("position").0.to_owned()
    }

    #[test]
    fn json_of_every_kind_passes() {
        for payload in ["{}", "null", " \n [1, 2.5e3, \"\\u00e9\"] ", "\"text\"", "{\"a\":{\"b\":[]}}", "\"ü\"", "-0.1"]
        {
            assert_eq!(check(payload.as_bytes()), Ok(()), "{payload}");
        }
    }

    #[test]
    fn recorded_texts_come_back() {
        let table: [(&[u8], &str); 8] = [
            (
                b"badbod",
                "Unrecognized token 'badbod': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')",
            ),
            (
                b"'test'",
                "Unexpected character (''' (code 39)): expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')",
            ),
            (b"{c: 1}", "Unexpected character ('c' (code 99)): was expecting double-quote to start field name"),
            (b"{\"a\": 1 1}", "Unexpected character ('1' (code 49)): was expecting comma to separate Object entries"),
            (b"{\"a\":[1 2]}", "Unexpected character ('2' (code 50)): was expecting comma to separate Array entries"),
            (b"\"\xa7\"", "Invalid UTF-8 start byte 0xa7"),
            (
                b"\x91\xec",
                "Unexpected character ((CTRL-CHAR, code 145)): expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')",
            ),
            (b"\"\xc3\x2d\"", "Invalid UTF-8 middle byte 0x2d"),
        ];
        for (payload, want) in table {
            assert_eq!(reason(payload), want);
        }
    }

    #[test]
    fn the_position_is_that_of_the_offending_character() {
        assert_eq!(
            check(b"{c: 1}").expect_err("not JSON"),
            "Could not parse request body into json: Could not parse payload into json: \
             Unexpected character ('c' (code 99)): was expecting double-quote to start field name\n \
             at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 2]"
        );
        assert!(check(b"{\n  \"a\": x}").expect_err("not JSON").ends_with("line: 2, column: 8]"));
    }

    /// What becomes of a JSON text that the AWS CLI takes for base64: its first letters, decoded.
    #[test]
    fn where_bytes_are_no_text_is_told_as_recorded() {
        let at =
            |payload: &[u8]| check(payload).expect_err("not JSON").rsplit_once("; ").expect("position").1.to_owned();
        assert_eq!(reason(b"n\x87\x72"), "Invalid UTF-8 start byte 0x87");
        assert_eq!(at(b"n\x87\x72"), "line: 1, column: 3]");
        assert_eq!(at(b"\x99\xeb"), "line: 1, column: 1]");
        // What is wrong ahead of it comes first.
        assert!(reason(b"{c \x87").starts_with("Unexpected character ('c' (code 99))"));
    }

    #[test]
    fn a_missing_end_names_what_is_open() {
        assert!(
            reason(b"{\"a\": [")
                .starts_with("Unexpected end-of-input: expected close marker for Array (start marker at [")
        );
        assert!(reason(b"{\"a\": []").starts_with("Unexpected end-of-input: expected close marker for Object"));
        assert_eq!(reason(b"\"abc"), "Unexpected end-of-input: was expecting closing quote for a string value");
        assert_eq!(reason(b"  "), "Unexpected end-of-input");
    }

    #[test]
    fn no_input_makes_the_search_for_words_fail() {
        for payload in [
            "tru",
            "é",
            "[é]",
            "{\"a\"é}",
            "\u{1}",
            "[1,]",
            "{\"a\":1,}",
            "01",
            "1.",
            "\"\\x\"",
            "\"\u{1}\"",
            "{} x",
            "nul]",
        ] {
            assert!(check(payload.as_bytes()).is_err(), "{payload}");
        }
    }
}
