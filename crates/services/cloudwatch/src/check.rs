//! What several operations check of what they are given, in the real service's words where they are known.

use hearth_ports::{Dimensions, Unit};
use serde::{Deserialize, Serialize};

use crate::error::CloudWatchError;
use crate::limits::{DIMENSION_VALUE_CHARS_MAX, DIMENSIONS_MAX, NAME_CHARS_MAX, PERIOD_S_MAX, SHORT_PERIODS_S};

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Dimension {
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) value: Option<String>,
}

/// A member that has to be there.
///
/// # Errors
/// [`CloudWatchError::Missing`].
pub(crate) fn required<T>(parameter: &str, value: Option<T>) -> Result<T, CloudWatchError> {
    value.ok_or_else(|| CloudWatchError::Missing(parameter.to_owned()))
}

/// A namespace, or the name of a metric or dimension.
///
/// # Errors
/// [`CloudWatchError::Missing`], [`CloudWatchError::Value`].
pub(crate) fn text(parameter: &str, value: Option<String>, chars_max: usize) -> Result<String, CloudWatchError> {
    let value = required(parameter, value)?;
    if value.trim().is_empty() {
        return Err(CloudWatchError::Missing(parameter.to_owned()));
    }
    if value.chars().count() > chars_max {
        return Err(CloudWatchError::value(format!(
            "The parameter {parameter} must be shorter than {} characters.",
            chars_max + 1
        )));
    }
    let is_clean = value.chars().all(|letter| (' '..='~').contains(&letter));
    if !is_clean {
        return Err(CloudWatchError::value(format!(
            "The parameter {parameter} has characters that are not printable ASCII."
        )));
    }
    Ok(value)
}

/// # Errors
/// As [`text`].
pub(crate) fn namespace(value: Option<String>) -> Result<String, CloudWatchError> {
    let value = text("Namespace", value, NAME_CHARS_MAX)?;
    if value.starts_with(':') {
        return Err(CloudWatchError::value("The parameter Namespace must not start with a colon."));
    }
    Ok(value)
}

/// # Errors
/// As [`text`]; too many; twice the same name.
pub(crate) fn dimensions(prefix: &str, given: Option<Vec<Dimension>>) -> Result<Dimensions, CloudWatchError> {
    let given = given.unwrap_or_default();
    if given.len() > DIMENSIONS_MAX {
        return Err(CloudWatchError::value(format!(
            "The collection {prefix}Dimensions must not have a size greater than {DIMENSIONS_MAX}."
        )));
    }
    let mut dimensions = Dimensions::new();
    for (Dimension { name, value }, number) in given.into_iter().zip(1..) {
        let parameter = format!("{prefix}Dimensions.member.{number}");
        let name = text(&format!("{parameter}.Name"), name, NAME_CHARS_MAX)?;
        let value = text(&format!("{parameter}.Value"), value, DIMENSION_VALUE_CHARS_MAX)?;
        if name.starts_with(':') {
            return Err(CloudWatchError::value(format!("The parameter {parameter}.Name must not start with a colon.")));
        }
        if dimensions.iter().any(|(known, _)| *known == name) {
            return Err(CloudWatchError::value(format!("The dimension {name} is given more than once.")));
        }
        dimensions.push((name, value));
    }
    Ok(dimensions)
}

/// # Errors
/// [`CloudWatchError::Value`].
pub(crate) fn unit(parameter: &str, given: Option<String>) -> Result<Option<Unit>, CloudWatchError> {
    let Some(given) = given else { return Ok(None) };
    let unit = Unit::parse(&given).ok_or_else(|| {
        let names: Vec<&str> = Unit::ALL.iter().map(|(_, name)| *name).collect();
        CloudWatchError::value(format!(
            "The parameter {parameter} must be a value in the set [ {} ].",
            names.join(", ")
        ))
    })?;
    Ok(Some(unit))
}

/// # Errors
/// [`CloudWatchError::Value`].
pub(crate) fn period(parameter: &str, period_s: i64) -> Result<i64, CloudWatchError> {
    if SHORT_PERIODS_S.contains(&period_s) || (period_s > 0 && period_s % 60 == 0 && period_s <= PERIOD_S_MAX) {
        return Ok(period_s);
    }
    if period_s > PERIOD_S_MAX {
        return Err(CloudWatchError::value(format!(
            "The parameter {parameter} must be less than or equal to {PERIOD_S_MAX}."
        )));
    }
    let short: Vec<String> = SHORT_PERIODS_S.iter().map(i64::to_string).collect();
    Err(CloudWatchError::value(format!("The parameter {parameter} must be {} or a multiple of 60.", short.join(", "))))
}
