//! The limits of CloudWatch, in one table. Source: CloudWatch API reference and user guide, "CloudWatch service quotas",
//! unless noted.

use std::time::Duration;

/// A request of PutMetricData as it is sent, bytes; compressed it may become 16 times as much.
pub(crate) const PUT_BYTES_MAX: usize = 1 << 20;
/// Other requests, bytes: 500 queries with their dimensions.
pub(crate) const REQUEST_BYTES_MAX: usize = 4 << 20;
/// Metrics of one PutMetricData.
pub(crate) const DATA_MAX: usize = 1_000;
/// Values of one metric of it.
pub(crate) const VALUES_MAX: usize = 150;
pub(crate) const DIMENSIONS_MAX: usize = 30;
pub(crate) const NAME_CHARS_MAX: usize = 255;
pub(crate) const DIMENSION_VALUE_CHARS_MAX: usize = 1_024;
/// Of a value, either side of 0: 2^360.
pub(crate) const VALUE_MAX: f64 = 2.348_542_582_773_833e108;
/// How old data may be that is put, and how far ahead, milliseconds.
pub(crate) const PAST_MS_MAX: i64 = 14 * DAY_MS;
pub(crate) const FUTURE_MS_MAX: i64 = 2 * HOUR_MS;
/// Metrics that have had no data for so long are not listed, milliseconds.
pub(crate) const LISTED_MS: i64 = 14 * DAY_MS;
pub(crate) const RECENT_MS: i64 = 3 * HOUR_MS;
/// Metrics of one page of ListMetrics.
pub(crate) const LIST_PAGE: usize = 500;
/// Dimensions that ListMetrics filters by.
pub(crate) const FILTERS_MAX: usize = 10;
/// Data points of one GetMetricStatistics.
pub(crate) const STATISTICS_POINTS_MAX: i64 = 1_440;
/// Queries of one GetMetricData, and data points of one page of it.
pub(crate) const QUERIES_MAX: usize = 500;
pub(crate) const DATA_POINTS_MAX: usize = 100_800;
/// Periods of less than a minute. Source: CloudWatch API reference, GetMetricStatistics.
pub(crate) const SHORT_PERIODS_S: [i64; 5] = [1, 5, 10, 20, 30];
/// The longest, a day.
pub(crate) const PERIOD_S_MAX: i64 = 86_400;
/// Steps of one expression, and how deep they are within each other: Hearth's own bounds.
pub(crate) const EXPRESSION_DEPTH_MAX: usize = 32;

pub(crate) const HOUR_MS: i64 = 60 * 60 * 1_000;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;

/// Series (a metric in one unit) of one account and region: Hearth's own bound. They are all in memory, some 500 bytes
/// each.
pub(crate) const SERIES_MAX: usize = 50_000;
/// Meters of the platform, known in memory.
pub(crate) const METERS_MAX: usize = 100_000;
/// Data of functions' log lines that wait for the next flush.
pub(crate) const WAITING_MAX: usize = 50_000;
/// How often the platform's own metrics are written down: a kill forgets as much.
pub(crate) const FLUSH_INTERVAL: Duration = Duration::from_secs(60);
/// A row of the journal, bytes, about.
pub(crate) const ROW_BYTES_MAX: usize = 512 * 1024;
/// The journal is packed when it is that long, or after that many flushes.
pub(crate) const JOURNAL_BYTES_MAX: usize = 8 << 20;
pub(crate) const FLUSHES_PER_PACK: u32 = 15;
/// One commit of the packer, bytes, about.
pub(crate) const PACK_COMMIT_BYTES: usize = 1 << 20;
/// Deletions of one commit.
pub(crate) const DELETIONS: usize = 1_000;
/// Data points that one GetMetricData gathers before it calculates: Hearth's own bound.
pub(crate) const GATHERED_POINTS_MAX: usize = 500_000;
