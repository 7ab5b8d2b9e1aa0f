//! One test of a `Condition` element: an operator, a key, values.
//!
//! Source: IAM user guide, "IAM JSON policy elements: Condition operators" and "Conditions with multiple context keys or
//! values".

mod operator;

use crate::evaluate::{ConditionKeys, Values};
use operator::{Operator, Wanted};

/// How the values of a multi-valued key take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    None,
    Any,
    All,
}

#[derive(Debug)]
pub(crate) struct Condition {
    /// In lower case.
    key: String,
    test: Test,
}

#[derive(Debug)]
enum Test {
    /// Is the key absent? True when one of the values says so.
    Null(Vec<bool>),
    Operator {
        set: Set,
        /// Says the opposite of its operator: `StringNotEquals`.
        is_negated: bool,
        if_exists: bool,
        wanted: Vec<Wanted>,
    },
    /// An operator that is none: its statement applies to nothing. Documents are checked, so there is none.
    Never,
}

impl Condition {
    /// `keys` collects the names of variables.
    pub(crate) fn read(
        operator: &str,
        key: &str,
        values: &[String],
        has_variables: bool,
        keys: &mut Vec<String>,
    ) -> Self {
        let key = key.to_lowercase();
        if operator == "Null" {
            let wanted = values.iter().filter_map(|value| operator::boolean(value)).collect();
            return Self { key, test: Test::Null(wanted) };
        }
        let (set, rest) = if let Some(rest) = operator.strip_prefix("ForAnyValue:") {
            (Set::Any, rest)
        } else if let Some(rest) = operator.strip_prefix("ForAllValues:") {
            (Set::All, rest)
        } else {
            (Set::None, operator)
        };
        let (if_exists, name) = rest.strip_suffix("IfExists").map_or((false, rest), |name| (true, name));
        let Some((operator, is_negated)) = Operator::named(name) else { return Self { key, test: Test::Never } };
        let wanted = values.iter().map(|value| Wanted::read(operator, value, has_variables, keys)).collect();
        Self { key, test: Test::Operator { set, is_negated, if_exists, wanted } }
    }

    pub(crate) fn holds(&self, keys: &dyn ConditionKeys) -> bool {
        // A list without members is as good as no key.
        let values = keys.values(&self.key).filter(|values| !matches!(values, Values::Many(many) if many.is_empty()));
        match &self.test {
            Test::Never => false,
            Test::Null(wanted) => wanted.contains(&values.is_none()),
            Test::Operator { set, is_negated, if_exists, wanted } => {
                let matches = |value: &str| wanted.iter().any(|wanted| wanted.matches(value, keys));
                let value_holds = |value: &str| matches(value) != *is_negated;
                match (set, &values) {
                    (_, None) if *if_exists => true,
                    // What is not there is not equal to anything.
                    (Set::None, None) => *is_negated,
                    (Set::Any, None) => false,
                    (Set::All, None) => true,
                    (_, Some(Values::One(value))) => value_holds(value),
                    (Set::Any, Some(Values::Many(values))) => values.iter().any(|value| value_holds(value)),
                    (Set::All, Some(Values::Many(values))) => values.iter().all(|value| value_holds(value)),
                    // Several values without a set prefix: any may match, and for negated operators none may.
                    (Set::None, Some(Values::Many(values))) => values.iter().any(|value| matches(value)) != *is_negated,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
