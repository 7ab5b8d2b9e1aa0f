//! What a schedule expression says. Source: EventBridge Scheduler user guide, "Schedule types in EventBridge Scheduler".

use jiff::civil::DateTime;

use crate::cron::Cron;

/// It is none of the expressions there are. Services say it in their own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the schedule expression is not valid")]
pub struct Invalid;

/// The unit of a rate. A day has 24 hours, whatever clocks show. Source: EventBridge Scheduler user guide, "Daylight
/// savings time on EventBridge Scheduler".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Minute,
    Hour,
    Day,
}

/// Of each unit: one, several, milliseconds.
const UNITS: [(Unit, &str, &str, i64); 3] = [
    (Unit::Minute, "minute", "minutes", 60_000),
    (Unit::Hour, "hour", "hours", 3_600_000),
    (Unit::Day, "day", "days", 86_400_000),
];

#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    Rate {
        value: u32,
        unit: Unit,
    },
    Cron(Cron),
    /// What clocks show when it is due.
    At(DateTime),
}

impl Expression {
    /// As EventBridge Scheduler reads it: the unit of a rate may be in the singular or the plural.
    ///
    /// # Errors
    /// [`Invalid`].
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let (kind, inner) = text.strip_suffix(')').and_then(|text| text.split_once('(')).ok_or(Invalid)?;
        match kind {
            "rate" => rate(inner).ok_or(Invalid),
            "cron" => Cron::parse(inner).map(Self::Cron),
            "at" => at(inner).map(Self::At).ok_or(Invalid),
            _ => Err(Invalid),
        }
    }

    /// As rules of event buses have it: no single time, and the unit of a rate as the number wants it. Source: EventBridge
    /// user guide, "Rate expressions reference".
    ///
    /// # Errors
    /// [`Invalid`].
    pub fn parse_rule(text: &str) -> Result<Self, Invalid> {
        let expression = Self::parse(text)?;
        let is_right = match expression {
            Self::Rate { value, .. } => (value == 1) != text.ends_with("s)"),
            Self::Cron(_) => true,
            Self::At(_) => false,
        };
        if is_right { Ok(expression) } else { Err(Invalid) }
    }

    /// Between two occurrences of a rate.
    #[must_use]
    pub fn period_ms(&self) -> Option<i64> {
        let Self::Rate { value, unit } = self else { return None };
        UNITS.iter().find(|(known, ..)| known == unit).map(|(.., ms)| i64::from(*value) * ms)
    }

    /// Whether it is due once and never again.
    #[must_use]
    pub const fn is_one_time(&self) -> bool {
        matches!(self, Self::At(_))
    }
}

fn rate(inner: &str) -> Option<Expression> {
    let (value, unit) = inner.split_once(' ')?;
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
    let value = value.parse().ok().filter(|value| is_number && *value > 0)?;
    let unit = UNITS.iter().find(|(_, one, several, _)| unit == *one || unit == *several)?;
    Some(Expression::Rate { value, unit: unit.0 })
}

/// `yyyy-mm-ddThh:mm:ss` and nothing else.
fn at(inner: &str) -> Option<DateTime> {
    const FORM: &[u8] = b"0000-00-00T00:00:00";
    let is_so = |(byte, form): (u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == *form };
    (inner.len() == FORM.len() && inner.bytes().zip(FORM).all(is_so)).then(|| inner.parse().ok()).flatten()
}
