//! The regular expressions that patterns may have: without groups, look-around and references, so that a match takes
//! time in proportion to the event.

use super::PatternError;

#[derive(Debug)]
pub(super) struct Regex(fancy_regex::Regex);

impl Regex {
    /// Letters, digits, some symbols and operators; see "Supported regular expressions (regex) syntax".
    pub(super) fn compile(text: &str) -> Result<Self, PatternError> {
        let is_known = |c: char| c.is_ascii_alphanumeric() || " :_#=@/;,-^$?[]{}|\\*+.%".contains(c);
        if text.is_empty() || !text.chars().all(is_known) {
            return Err(PatternError::Regex);
        }
        let mut escaped = false;
        for c in text.chars() {
            // Classes and characters that would mean something; a digit would be a reference.
            if escaped && c.is_ascii_alphanumeric() && !"dDsSwWbBtnrx".contains(c) {
                return Err(PatternError::Regex);
            }
            escaped = c == '\\' && !escaped;
        }
        fancy_regex::Regex::new(text).map(Self).map_err(|_| PatternError::Regex)
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        // It fails only when back-tracking gets out of hand, and nothing here tracks back.
        self.0.is_match(text).unwrap_or(false)
    }
}
