//! Rules about texts: beginnings, ends, case and wildcards.

/// Cases are ignored by comparing lower-case forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TextRule {
    Equals { lower: String },
    Prefix { text: String },
    PrefixIgnoringCase { lower: String },
    Suffix { text: String },
    SuffixIgnoringCase { lower: String },
    Wildcard(Wildcard),
}

impl TextRule {
    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Equals { lower } => text.to_lowercase() == *lower,
            Self::Prefix { text: prefix } => text.starts_with(prefix),
            Self::PrefixIgnoringCase { lower } => text.to_lowercase().starts_with(lower),
            Self::Suffix { text: suffix } => text.ends_with(suffix),
            Self::SuffixIgnoringCase { lower } => text.to_lowercase().ends_with(lower),
            Self::Wildcard(wildcard) => wildcard.matches(text),
        }
    }
}

/// A text in which `*` stands for any number of characters: what is between the stars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wildcard(Vec<String>);

impl Wildcard {
    /// `None`: two stars in a row, or a backslash before anything but a star or a backslash.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut pieces = vec![String::new()];
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '*' if chars.peek() == Some(&'*') => return None,
                '*' => pieces.push(String::new()),
                c => {
                    let literal = if c == '\\' { chars.next().filter(|next| matches!(next, '*' | '\\'))? } else { c };
                    pieces.last_mut()?.push(literal);
                }
            }
        }
        Some(Self(pieces))
    }

    /// Before the first star.
    pub(crate) fn first(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// Behind the last star.
    pub(crate) fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    fn matches(&self, text: &str) -> bool {
        let (Some(first), Some(last)) = (self.0.first(), self.0.last()) else { return false };
        if self.0.len() == 1 {
            return text == first;
        }
        let Some(rest) = text.strip_prefix(first.as_str()) else { return false };
        let Some(mut rest) = rest.strip_suffix(last.as_str()) else { return false };
        // The earliest place for each piece leaves most for those behind it.
        for piece in &self.0[1..self.0.len() - 1] {
            let Some(at) = rest.find(piece.as_str()) else { return false };
            rest = &rest[at + piece.len()..];
        }
        true
    }
}
