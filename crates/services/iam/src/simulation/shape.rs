//! Inputs and outputs that both operations share.

use serde::{Deserialize, Serialize};

use super::position::Span;
use crate::error::IamError;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Inputs {
    pub(crate) policy_input_list: Vec<String>,
    pub(crate) permissions_boundary_policy_input_list: Vec<String>,
    pub(crate) action_names: Vec<String>,
    pub(crate) resource_arns: Option<Vec<String>>,
    pub(crate) resource_policy: Option<String>,
    pub(crate) resource_owner: Option<String>,
    pub(crate) caller_arn: Option<String>,
    pub(crate) context_entries: Vec<ContextEntry>,
    pub(crate) max_items: Option<u32>,
    pub(crate) marker: Option<String>,
    resource_handling_option: Option<String>,
    ordered_organization_policy_input_list: Option<serde_json::Value>,
    policy_exclusion_list: Option<serde_json::Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ContextEntry {
    pub(crate) context_key_name: String,
    pub(crate) context_key_values: Vec<String>,
    /// Operators convert by themselves: text is all they need.
    #[serde(rename = "ContextKeyType")]
    _context_key_type: Option<String>,
}

impl Inputs {
    /// # Errors
    /// A member asks for what Hearth does not simulate.
    pub(crate) fn refuse_unsupported(&self) -> Result<(), IamError> {
        let asked = [
            ("ResourceHandlingOption", self.resource_handling_option.is_some()),
            ("OrderedOrganizationPolicyInputList", self.ordered_organization_policy_input_list.is_some()),
            ("PolicyExclusionList", self.policy_exclusion_list.is_some()),
        ];
        match asked.iter().find(|(_, is_asked)| *is_asked) {
            Some((member, _)) => {
                Err(IamError::InvalidInput(format!("Hearth does not simulate {member}: leave it away.")))
            }
            None => Ok(()),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    pub(crate) evaluation_results: Vec<EvaluationResult>,
    pub(crate) is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) marker: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EvaluationResult {
    pub(crate) eval_action_name: String,
    pub(crate) eval_resource_name: String,
    pub(crate) eval_decision: &'static str,
    pub(crate) matched_statements: Vec<MatchedStatement>,
    pub(crate) missing_context_values: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) permissions_boundary_decision_detail: Option<Boundary>,
    pub(crate) resource_specific_results: Vec<ResourceResult>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ResourceResult {
    pub(crate) eval_resource_name: String,
    pub(crate) eval_resource_decision: &'static str,
    pub(crate) matched_statements: Vec<MatchedStatement>,
    pub(crate) missing_context_values: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) permissions_boundary_decision_detail: Option<Boundary>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Boundary {
    pub(crate) allowed_by_permissions_boundary: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct MatchedStatement {
    source_policy_id: String,
    source_policy_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_position: Option<Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_position: Option<Position>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl MatchedStatement {
    pub(crate) fn new(id: &str, kind: &'static str, span: Option<Span>) -> Self {
        Self {
            source_policy_id: id.to_owned(),
            source_policy_type: kind,
            start_position: span.map(|span| span.start),
            end_position: span.map(|span| span.end),
        }
    }
}
