//! TestMetricFilter: which of some messages a filter pattern wants, and what it takes out of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::arn::Subject;
use crate::pattern::Pattern;
use crate::{Api, LogsError};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    filter_pattern: String,
    log_event_messages: Vec<String>,
}

#[derive(Serialize)]
pub(crate) struct Output {
    matches: Vec<Match>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Match {
    event_number: usize,
    event_message: String,
    extracted_values: BTreeMap<String, String>,
}

pub(crate) async fn run(api: Arc<Api>, ctx: RequestContext, input: Input) -> Result<Output, LogsError> {
    api.authorize(&ctx, "logs:TestMetricFilter", &Subject::group(&ctx, "", None))?;
    let pattern = Pattern::parse(&input.filter_pattern)?;
    let matching = (1..).zip(input.log_event_messages).filter(|(_, message)| pattern.matches(message));
    let matches = matching.map(|(event_number, event_message)| Match {
        event_number,
        extracted_values: pattern.extract(&event_message).into_iter().collect(),
        event_message,
    });
    Ok(Output { matches: matches.collect() })
}
