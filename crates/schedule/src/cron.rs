//! Cron expressions of six fields: minutes, hours, day of month, month, day of week, year. Source: EventBridge Scheduler
//! user guide, "Cron-based schedules"; EventBridge user guide, "Cron expressions reference".
//!
//! What the guides leave open is as in Quartz, whose syntax it is: a range may go over the end of its field (`22-2`), `LW`
//! is the last weekday of a month, and `L`, `W` and `#` stand alone in their field.

use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime, Time, Weekday};

use crate::expression::Invalid;
use crate::set::Set;
use crate::zone::Zone;

/// The first year that can be asked for; sets of years count from it.
const FIRST_YEAR: u16 = 1970;

const MONTHS: &[&str] = &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// What a field may hold.
struct Field {
    min: u16,
    max: u16,
    /// Of its values, from `min` on.
    names: &'static [&'static str],
    has_steps: bool,
    may_wrap: bool,
}

const PLAIN: Field = Field { min: 0, max: 0, names: &[], has_steps: true, may_wrap: true };
const MINUTES: Field = Field { max: 59, ..PLAIN };
const HOURS: Field = Field { max: 23, ..PLAIN };
const DAY_OF_MONTH: Field = Field { min: 1, max: 31, ..PLAIN };
const MONTH: Field = Field { min: 1, max: 12, names: MONTHS, ..PLAIN };
const DAY_OF_WEEK: Field = Field { min: 1, max: 7, names: DAYS, has_steps: false, ..PLAIN };
const YEAR: Field = Field { min: FIRST_YEAR, max: 2199, may_wrap: false, ..PLAIN };

/// Which days of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Days {
    OfMonth(Set),
    Last,
    LastWeekday,
    /// The weekday nearest to that day, in the same month.
    NearestWeekday(u16),
    OfWeek(Set),
    LastOfWeek(u16),
    /// Day of week, and which of that month.
    NthOfWeek(u16, u16),
}

/// See [`crate::Expression`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: Set,
    hours: Set,
    days: Days,
    months: Set,
    /// From [`FIRST_YEAR`].
    years: Set,
}

impl Cron {
    /// Reads the six fields.
    ///
    /// # Errors
    /// [`Invalid`].
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        if text.trim() != text {
            return Err(Invalid);
        }
        let text = text.to_ascii_uppercase();
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minutes, hours, day_of_month, month, day_of_week, year] = fields[..] else { return Err(Invalid) };
        let days = match (day_of_month, day_of_week) {
            ("?", "?") => return Err(Invalid),
            (day_of_month, "?") => days_of_month(day_of_month),
            ("?", day_of_week) => days_of_week(day_of_week),
            _ => return Err(Invalid),
        };
        Ok(Self {
            minutes: MINUTES.read(minutes)?,
            hours: HOURS.read(hours)?,
            days: days?,
            months: MONTH.read(month)?,
            years: YEAR.read(year)?,
        })
    }

    /// The first occurrence after that moment. Clocks of a zone that show a time twice count the first.
    pub(crate) fn next_after(&self, zone: &Zone, instant_ms: i64) -> Option<i64> {
        let mut from = zone.civil(instant_ms)?;
        loop {
            let next = self.next_shown(from)?;
            if let Some(at_ms) = zone.instant_ms(next).filter(|at_ms| *at_ms > instant_ms) {
                return Some(at_ms);
            }
            from = next.checked_add(1.minute()).ok()?;
        }
    }

    /// The first time of a clock, not before that one, that the fields ask for.
    fn next_shown(&self, from: DateTime) -> Option<DateTime> {
        // The fields know whole minutes.
        let is_whole = from.second() == 0 && from.subsec_nanosecond() == 0;
        let from = if is_whole { from } else { from.checked_add(1.minute()).ok()? };
        let mut date = from.date();
        let mut time = (number(from.hour()), number(from.minute()));
        loop {
            if let Some(time) = self.next_time(time)
                && self.has_day(date)
            {
                return Some(date.to_datetime(time));
            }
            (date, time) = (self.next_date(date)?, (0, 0));
        }
    }

    fn next_time(&self, (hour, minute): (u16, u16)) -> Option<Time> {
        let in_hour = |minute| self.minutes.first_from(minute, MINUTES.max);
        let (hour, minute) = match in_hour(minute).filter(|_| self.hours.contains(hour)) {
            Some(minute) => (hour, minute),
            None => (self.hours.first_from(hour + 1, HOURS.max)?, in_hour(0)?),
        };
        Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0).ok()
    }

    /// The next day that may do; months and years that do not are passed over whole.
    fn next_date(&self, date: Date) -> Option<Date> {
        let mut next = date.tomorrow().ok()?;
        while !self.has_month(next) {
            if number_of_year(next) > YEAR.max - FIRST_YEAR {
                return None;
            }
            next = next.last_of_month().tomorrow().ok()?;
        }
        Some(next)
    }

    fn has_month(&self, date: Date) -> bool {
        let year = number_of_year(date);
        year <= YEAR.max - FIRST_YEAR && self.years.contains(year) && self.months.contains(number(date.month()))
    }

    fn has_day(&self, date: Date) -> bool {
        let (day, days_of_month) = (number(date.day()), number(date.days_in_month()));
        let weekday = number(date.weekday().to_sunday_one_offset());
        self.has_month(date)
            && match self.days {
                Days::OfMonth(days) => days.contains(day),
                Days::Last => day == days_of_month,
                Days::LastWeekday => nearest_weekday(date.last_of_month()) == Some(date),
                Days::NearestWeekday(wanted) => {
                    let wanted = i8::try_from(wanted).ok().and_then(|wanted| date.with().day(wanted).build().ok());
                    wanted.and_then(nearest_weekday) == Some(date)
                }
                Days::OfWeek(days) => days.contains(weekday),
                Days::LastOfWeek(wanted) => weekday == wanted && day + 7 > days_of_month,
                Days::NthOfWeek(wanted, nth) => weekday == wanted && day.div_ceil(7) == nth,
            }
    }
}

/// Monday to Friday, of the same month.
fn nearest_weekday(date: Date) -> Option<Date> {
    let days = match date.weekday() {
        Weekday::Saturday if date.day() == 1 => 2,
        Weekday::Saturday => -1,
        Weekday::Sunday if date == date.last_of_month() => -2,
        Weekday::Sunday => 1,
        _ => 0,
    };
    date.checked_add(days.days()).ok()
}

fn days_of_month(text: &str) -> Result<Days, Invalid> {
    match text {
        "L" => Ok(Days::Last),
        "LW" | "WL" => Ok(Days::LastWeekday),
        _ => match text.strip_suffix('W') {
            Some(day) => Ok(Days::NearestWeekday(DAY_OF_MONTH.value(day)?)),
            None => DAY_OF_MONTH.read(text).map(Days::OfMonth),
        },
    }
}

fn days_of_week(text: &str) -> Result<Days, Invalid> {
    if let Some((day, nth)) = text.split_once('#') {
        let nth = nth.parse().ok().filter(|nth| (1..=5).contains(nth)).ok_or(Invalid)?;
        return Ok(Days::NthOfWeek(DAY_OF_WEEK.value(day)?, nth));
    }
    match text.strip_suffix('L') {
        // The last day of the week.
        Some("") => DAY_OF_WEEK.read("SAT").map(Days::OfWeek),
        Some(day) => Ok(Days::LastOfWeek(DAY_OF_WEEK.value(day)?)),
        None => DAY_OF_WEEK.read(text).map(Days::OfWeek),
    }
}

impl Field {
    /// `*`, or a list of values, ranges and steps.
    fn read(&self, text: &str) -> Result<Set, Invalid> {
        let mut set = Set::default();
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) if self.has_steps => (range, Some(self.step(step)?)),
                Some(_) => return Err(Invalid),
                None => (part, None),
            };
            let (from, to) = match range.split_once('-') {
                Some((from, to)) => (self.value(from)?, self.value(to)?),
                None if range == "*" => (self.min, self.max),
                // A step goes from there to the end.
                None => (self.value(range)?, if step.is_some() { self.max } else { self.value(range)? }),
            };
            self.insert(&mut set, from, to, step.unwrap_or(1))?;
        }
        Ok(set)
    }

    fn insert(&self, set: &mut Set, from: u16, to: u16, step: u16) -> Result<(), Invalid> {
        if from > to && !self.may_wrap {
            return Err(Invalid);
        }
        let values = self.max - self.min + 1;
        let to = if from > to { to + values } else { to };
        for value in (from..=to).step_by(step.into()) {
            let value = if value > self.max { value - values } else { value };
            set.insert(if self.min == FIRST_YEAR { value - FIRST_YEAR } else { value });
        }
        Ok(())
    }

    fn value(&self, text: &str) -> Result<u16, Invalid> {
        let named = self.names.iter().position(|name| *name == text).and_then(|at| u16::try_from(at).ok());
        let value = named.map(|at| at + self.min).or_else(|| digits(text));
        value.filter(|value| (self.min..=self.max).contains(value)).ok_or(Invalid)
    }

    fn step(&self, text: &str) -> Result<u16, Invalid> {
        digits(text).filter(|step| (1..=self.max).contains(step)).ok_or(Invalid)
    }
}

fn digits(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Of a field of a date, which is never negative.
fn number(field: i8) -> u16 {
    u16::try_from(field).unwrap_or(0)
}

/// From [`FIRST_YEAR`]; of years before it a number behind all that can be asked for.
fn number_of_year(date: Date) -> u16 {
    u16::try_from(date.year()).ok().and_then(|year| year.checked_sub(FIRST_YEAR)).unwrap_or(u16::MAX)
}
