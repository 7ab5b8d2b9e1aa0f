//! What is wrong with a text that is no pattern, and where. The words here are Hearth's; services have their own.

use std::fmt;

use crate::text::Operator;

/// The text is no event pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct PatternError {
    pub fault: Fault,
    /// How far the text had been read; nothing where a value is wrong in itself.
    pub place: Option<Place>,
    /// Whether it is an element of a list behind `anything-but`.
    pub is_in_list: bool,
}

/// Behind what was read last, counted from 1 in units of UTF-16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

/// A kind of fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No JSON, in any other way than the next two.
    Json,
    /// A character where the name of a field must begin.
    NoName {
        character: char,
    },
    /// A word that is no JSON.
    Word {
        word: String,
    },
    /// Objects and arrays within each other, deeper than this.
    Depth {
        max: usize,
    },
    NoObject,
    EmptyObject,
    EmptyArray,
    ArrayInArray,
    /// The value of a field is neither an object nor an array.
    Scalar {
        name: String,
    },
    Alternatives,
    OneOperator,
    UnknownOperator {
        name: String,
    },
    NoText {
        operator: Operator,
    },
    Stars {
        at: usize,
    },
    Escape,
    Exists,
    CidrNoText,
    CidrSlash,
    CidrBits,
    CidrWidth,
    CidrAddress {
        address: String,
    },
    /// Behind `anything-but`: neither a value, nor a list, nor an operator.
    AnythingBut,
    AnythingButOperator {
        name: String,
    },
    /// In a list behind `anything-but`.
    AnythingButElement,
    AnythingButMixed,
    AnythingButNoText {
        operator: Operator,
    },
    AnythingButEmpty {
        operator: Operator,
    },
    NumericNoArray,
    Numeric,
    NoNumber {
        comparison: String,
    },
    SecondComparison {
        comparison: String,
    },
    NumberSize,
    EmptyRange,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json => write!(f, "the text is no JSON"),
            Self::NoName { character } => {
                write!(f, "a name of a field begins with a double quote, not with {character}")
            }
            Self::Word { word } => write!(f, "{word} is no JSON"),
            Self::Depth { max } => write!(f, "objects and arrays are at most {max} deep"),
            Self::NoObject => write!(f, "a pattern is a JSON object"),
            Self::EmptyObject => write!(f, "empty objects are not allowed"),
            Self::EmptyArray => write!(f, "empty arrays are not allowed"),
            Self::ArrayInArray => write!(f, "an array has no array within it"),
            Self::Scalar { name } => write!(f, "{name} must be an object or an array"),
            Self::Alternatives => write!(f, "$or is an array of two objects at least"),
            Self::OneOperator => write!(f, "a rule that is an object has one operator"),
            Self::UnknownOperator { name } => write!(f, "there is no operator {name}"),
            Self::NoText { operator } => write!(f, "{operator} needs a text"),
            Self::Stars { at } => write!(f, "a wildcard has no two stars in a row: character {at}"),
            Self::Escape => write!(f, "a wildcard has a backslash before stars and backslashes only"),
            Self::Exists => write!(f, "exists is true or false"),
            Self::CidrNoText | Self::CidrSlash | Self::CidrBits | Self::CidrWidth | Self::CidrAddress { .. } => {
                write!(f, "cidr is a block of addresses such as 10.0.0.0/24")
            }
            Self::AnythingBut => write!(f, "anything-but takes texts, numbers or an operator"),
            Self::AnythingButOperator { name } => write!(f, "anything-but takes no operator {name}"),
            Self::AnythingButElement | Self::AnythingButMixed => {
                write!(f, "anything-but takes a list of texts or a list of numbers")
            }
            Self::AnythingButNoText { operator } => write!(f, "anything-but {operator} takes texts"),
            Self::AnythingButEmpty { operator } => write!(f, "anything-but {operator} takes no empty text or list"),
            Self::NumericNoArray | Self::Numeric => {
                write!(f, "numeric takes an array of one comparison, or of a lower and an upper bound")
            }
            Self::NoNumber { comparison } => write!(f, "behind {comparison} comes a number"),
            Self::SecondComparison { comparison } => write!(f, "{comparison} has no place there"),
            Self::NumberSize => write!(f, "numbers are between -5e9 and 5e9"),
            Self::EmptyRange => write!(f, "the lower bound must be below the upper one"),
        }
    }
}
