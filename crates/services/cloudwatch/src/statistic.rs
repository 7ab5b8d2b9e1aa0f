//! What is asked of an aggregate. Source: CloudWatch user guide, "CloudWatch statistics definitions".

use crate::aggregate::Aggregate;
use crate::distribution::Distribution;

/// One statistic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Statistic {
    SampleCount,
    Average,
    Sum,
    Minimum,
    Maximum,
    /// `p99.9`.
    Percentile(f64),
    /// `tm99`: the mean without what is above that percentile.
    TrimmedMean(f64),
    /// `wm99`: the mean with what is above that percentile taken for its value.
    WinsorizedMean(f64),
    /// `tc99`, `ts99`: how many there are up to that percentile, and their sum.
    TrimmedCount(f64),
    TrimmedSum(f64),
}

/// The five that have names.
pub(crate) const NAMED: [(&str, Statistic); 5] = [
    ("SampleCount", Statistic::SampleCount),
    ("Average", Statistic::Average),
    ("Sum", Statistic::Sum),
    ("Minimum", Statistic::Minimum),
    ("Maximum", Statistic::Maximum),
];

impl Statistic {
    /// One of the five.
    pub(crate) fn named(text: &str) -> Option<Self> {
        NAMED.iter().find(|(name, _)| *name == text).map(|(_, statistic)| *statistic)
    }

    /// One with a percentile. Ranges (`TM(10%:90%)`, `PR(…)`, `IQM`) are not known here.
    pub(crate) fn extended(text: &str) -> Option<Self> {
        let digits = text.find(|letter: char| letter.is_ascii_digit())?;
        let (name, percent) = text.split_at(digits);
        // As the real service reads it: up to ten decimals.
        let is_plain = percent.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && percent.len() <= 14;
        let percent = percent.parse::<f64>().ok().filter(|percent| is_plain && (0.0..=100.0).contains(percent))?;
        match name {
            "p" => Some(Self::Percentile(percent)),
            "tm" => Some(Self::TrimmedMean(percent)),
            "wm" => Some(Self::WinsorizedMean(percent)),
            "tc" => Some(Self::TrimmedCount(percent)),
            "ts" => Some(Self::TrimmedSum(percent)),
            _ => None,
        }
    }

    /// `None`: there is no such thing of these values.
    pub(crate) fn of(self, aggregate: &Aggregate) -> Option<f64> {
        if aggregate.count <= 0.0 {
            return None;
        }
        match self {
            Self::SampleCount => Some(aggregate.count),
            Self::Average => Some(aggregate.sum / aggregate.count),
            Self::Sum => Some(aggregate.sum),
            Self::Minimum => Some(aggregate.min),
            Self::Maximum => Some(aggregate.max),
            Self::Percentile(percent) => percentile(aggregate, percent),
            Self::TrimmedMean(percent) => {
                let (count, sum) = trimmed(aggregate.distribution.as_ref()?, percent);
                (count > 0.0).then(|| sum / count)
            }
            Self::WinsorizedMean(percent) => {
                let (count, sum) = trimmed(aggregate.distribution.as_ref()?, percent);
                let rest = aggregate.count - count;
                Some((sum + rest * percentile(aggregate, percent)?) / aggregate.count)
            }
            Self::TrimmedCount(percent) => Some(trimmed(aggregate.distribution.as_ref()?, percent).0),
            Self::TrimmedSum(percent) => Some(trimmed(aggregate.distribution.as_ref()?, percent).1),
        }
    }
}

/// The smallest value that so many percent of all do not exceed.
fn percentile(aggregate: &Aggregate, percent: f64) -> Option<f64> {
    let distribution = aggregate.distribution.as_ref()?;
    let rank = percent / 100.0 * aggregate.count;
    let mut seen = 0.0;
    let found = distribution.values().find(|(_, count)| {
        seen += count;
        seen >= rank && *count > 0.0
    });
    let value = found.or_else(|| distribution.values().next_back()).map(|(value, _)| value)?;
    // What was rounded does not leave what was measured.
    Some(value.clamp(aggregate.min, aggregate.max))
}

/// How many values there are up to that percentile, and their sum.
fn trimmed(distribution: &Distribution, percent: f64) -> (f64, f64) {
    let mut left = percent / 100.0 * distribution.count();
    let (mut count, mut sum) = (0.0, 0.0);
    for (value, times) in distribution.values() {
        let taken = times.min(left);
        count += taken;
        sum += taken * value;
        left -= taken;
    }
    (count, sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hundred() -> Aggregate {
        let mut all = Aggregate::default();
        (1..=100).for_each(|value| all.add(f64::from(value), 1.0));
        all
    }

    #[test]
    fn statistics_of_the_numbers_to_a_hundred() {
        for (text, expected) in [
            ("p0", 1.0),
            ("p50", 50.0),
            ("p90", 90.0),
            ("p99.5", 100.0),
            ("p100", 100.0),
            ("tm50", 25.5),
            ("tc90", 90.0),
            ("ts10", 55.0),
            ("wm50", 37.75),
        ] {
            let statistic = Statistic::extended(text).expect(text);
            assert_eq!(statistic.of(&hundred()), Some(expected), "{text}");
        }
        for (text, expected) in
            [("SampleCount", 100.0), ("Average", 50.5), ("Sum", 5_050.0), ("Minimum", 1.0), ("Maximum", 100.0)]
        {
            assert_eq!(Statistic::named(text).expect(text).of(&hundred()), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_statistic_is_none() {
        for text in ["p101", "p", "p1e1", "p-1", "P90", "x90", "IQM", "TM(10%:90%)", "90"] {
            assert_eq!(Statistic::extended(text), None, "{text}");
        }
    }

    #[test]
    fn statistic_sets_have_percentiles_only_when_their_values_are_known() {
        let unknown = Aggregate::of_statistics(3.0, 6.0, 1.0, 3.0);
        assert_eq!(Statistic::Percentile(50.0).of(&unknown), None);
        assert_eq!(Statistic::Average.of(&unknown), Some(2.0));
        let flat = Aggregate::of_statistics(3.0, 6.0, 2.0, 2.0);
        assert_eq!(Statistic::Percentile(50.0).of(&flat), Some(2.0));
        let mut both = hundred();
        both.merge(&unknown);
        assert_eq!(Statistic::Percentile(50.0).of(&both), None);
        assert_eq!(Statistic::SampleCount.of(&both), Some(103.0));
    }
}
