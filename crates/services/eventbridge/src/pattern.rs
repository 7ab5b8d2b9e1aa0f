//! Patterns that are none, in the words of EventBridge: those recorded from the real service, with the place as its JSON
//! parser tells it. Where nothing is recorded the reason is Hearth's.

use hearth_event_pattern::{EventPattern, Fault, Operator, PatternError};

use crate::error::EventsError;
use crate::limits::PATTERN_CHARS_MAX;

/// # Errors
/// [`EventsError::Pattern`].
pub(crate) fn compile(text: &str) -> Result<EventPattern, EventsError> {
    if text.chars().count() > PATTERN_CHARS_MAX {
        return Err(EventsError::Pattern(format!("it is longer than {PATTERN_CHARS_MAX} characters")));
    }
    EventPattern::parse(text).map_err(|error| EventsError::Pattern(reason(&error, text)))
}

fn reason(error: &PatternError, text: &str) -> String {
    let Some(mut reason) = recorded(&error.fault) else { return error.to_string() };
    let Some(place) = error.place else { return reason };
    let place = format!("\n at [Source: (String)\"{text}\"; line: {}, column: {}]", place.line, place.column);
    reason.push_str(&place);
    if error.is_in_list {
        // Recorded: a list behind anything-but says it twice.
        reason.push_str(&place);
    }
    reason
}

/// Nothing where there is no recording.
fn recorded(fault: &Fault) -> Option<String> {
    Some(match fault {
        Fault::NoName { character } => format!(
            "Unexpected character ('{character}' (code {})): was expecting double-quote to start field name",
            u32::from(*character)
        ),
        Fault::Word { word } => format!(
            "Unrecognized token '{word}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
        ),
        Fault::NoObject => "Filter is not an object".to_owned(),
        Fault::EmptyArray => "Empty arrays are not allowed".to_owned(),
        Fault::Scalar { name } => format!("\"{name}\" must be an object or an array"),
        Fault::UnknownOperator { name } => format!("Unrecognized match type {name}"),
        Fault::NoText { operator } | Fault::AnythingButNoText { operator: operator @ Operator::Wildcard } => {
            format!("{operator} match pattern must be a string")
        }
        Fault::CidrNoText => "prefix match pattern must be a string".to_owned(),
        Fault::CidrSlash => "Malformed CIDR, one '/' required".to_owned(),
        Fault::CidrBits => "Malformed CIDR, mask bits must be an integer".to_owned(),
        Fault::CidrAddress { address } => format!("Nonstandard IP address: {address}"),
        Fault::Stars { at } => format!("Consecutive wildcard characters at pos {at}"),
        Fault::AnythingBut => "Value of anything-but must be an array or single string/number value.".to_owned(),
        Fault::AnythingButElement => "Inside anything but list, start|null|boolean is not supported.".to_owned(),
        Fault::AnythingButNoText { operator: Operator::EqualsIgnoreCase } => {
            "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.".to_owned()
        }
        Fault::AnythingButNoText { operator: Operator::Prefix | Operator::Suffix } => {
            "prefix/suffix match pattern must be a string".to_owned()
        }
        Fault::AnythingButEmpty { operator: Operator::Prefix | Operator::Suffix } => {
            "Null prefix/suffix not allowed".to_owned()
        }
        Fault::NumericNoArray => "Value of numeric must be an array.".to_owned(),
        // Recorded of another comparison; of `=` nobody knows the name.
        Fault::NoNumber { comparison } if comparison != "=" => format!("Value of {comparison} must be numeric"),
        Fault::SecondComparison { comparison } => format!("Bad numeric range operator: {comparison}"),
        _ => return None,
    })
}
