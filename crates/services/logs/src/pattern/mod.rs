//! The filter pattern language: which events a reader wants. Pure; nothing here knows where events come from.
//!
//! ```text
//! ERROR -debug "exact phrase" ?this ?that %regular [Ee]xpression%     terms anywhere in the event
//! { $.user.id = 1 && $.errorCode NOT EXISTS }                         properties of an event that is JSON
//! [ip, user, ..., status = 4* || status = 5*, bytes > 1000]           fields of an event, by spaces
//! ```
//! Source: CloudWatch Logs user guide, "Filter pattern syntax for metric filters, subscription filters, filter log
//! events, and Live Tail".

mod compare;
mod cursor;
mod fields;
mod json;
mod regex;
mod terms;
#[cfg(test)]
mod tests;

use fields::Fields;
use json::Condition;
use terms::Terms;

/// Regular expressions of one pattern. Source: as above, "Quotas".
const REGEXES_MAX: usize = 2;

/// The text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// What is no letter or digit stands in double quotes.
    #[error("Invalid character(s) in term '{0}'")]
    Characters(String),
    #[error("Invalid filter pattern")]
    Malformed,
    #[error("Invalid regular expression in the filter pattern")]
    Regex,
    #[error("A filter pattern can have at most {REGEXES_MAX} regular expressions")]
    TooManyRegexes,
}

/// A compiled filter pattern.
#[derive(Debug)]
pub struct Pattern(Kind);

#[derive(Debug)]
enum Kind {
    All,
    Terms(Terms),
    Json(Condition),
    Fields(Fields),
}

impl Pattern {
    /// The empty pattern matches everything.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let text = text.trim();
        Ok(Self(match text.chars().next() {
            None => Kind::All,
            Some('{') => Kind::Json(json::parse(text)?),
            Some('[') => Kind::Fields(fields::parse(text)?),
            Some(_) => Kind::Terms(terms::parse(text)?),
        }))
    }

    /// Whether every event matches.
    #[must_use]
    pub fn is_all(&self) -> bool {
        matches!(self.0, Kind::All)
    }

    #[must_use]
    pub fn matches(&self, event: &str) -> bool {
        let event = without_line_feed(event);
        match &self.0 {
            Kind::All => true,
            Kind::Terms(terms) => terms.matches(event),
            Kind::Json(condition) => serde_json::from_str(event).is_ok_and(|event| condition.holds(&event)),
            Kind::Fields(fields) => fields.matches(event),
        }
    }

    /// What the pattern names in an event that matches: `$.selector` or `$field`, each with its value.
    #[must_use]
    pub fn extract(&self, event: &str) -> Vec<(String, String)> {
        let event = without_line_feed(event);
        match &self.0 {
            Kind::All | Kind::Terms(_) => Vec::new(),
            Kind::Json(condition) => {
                serde_json::from_str(event).map_or_else(|_| Vec::new(), |event| condition.extract(&event))
            }
            Kind::Fields(fields) => fields.extract(event),
        }
    }
}

/// The line feed that ends a function's line belongs to no term, and `$` of a regular expression stands before it.
fn without_line_feed(event: &str) -> &str {
    event.strip_suffix('\n').unwrap_or(event)
}
