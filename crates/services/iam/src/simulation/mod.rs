//! What policies would decide about requests nobody makes: SimulatePrincipalPolicy and SimulateCustomPolicy.
//!
//! The same evaluator as for real requests; only the condition keys are those that the simulation is given.

mod position;
mod principal;
mod shape;

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_authz::{
    Attached, ConditionKeys, Decision, Policies, Policy, PolicyKind, Reason, Request, ResourcePolicy, Source,
    StatementRef, Values, evaluate,
};
use hearth_types::{AccountId, Arn, Caller, RequestContext};

use crate::error::IamError;
use crate::page::{self, Page};
pub(crate) use principal::Simulated;
use shape::{Boundary, MatchedStatement, ResourceResult};
pub(crate) use shape::{EvaluationResult, Inputs, Output};

/// Requests of one simulation: actions times resources. The API model bounds neither list.
const REQUESTS_MAX: usize = 10_000;

/// A policy that takes part, and what it is called in the answer.
#[derive(Clone)]
pub(crate) struct Sourced {
    pub(crate) attached: Attached,
    /// `user`, `group`, `role`, `aws-managed`, `user-managed`, `resource` or `none`.
    pub(crate) kind: &'static str,
}

impl Sourced {
    /// # Errors
    /// The document is none.
    fn of_input(name: String, text: &str) -> Result<Self, IamError> {
        let policy = Arc::new(Policy::parse(text, PolicyKind::Identity)?);
        Ok(Self { attached: Attached { name: name.into(), policy }, kind: "none" })
    }
}

/// Everything a simulation weighs.
struct Scene {
    caller: Caller,
    owner: AccountId,
    identity: Vec<Sourced>,
    boundary: Option<Attached>,
    resource: Option<Policy>,
    keys: Entries,
}

/// Condition keys as given, by their names in lower case.
struct Entries(BTreeMap<String, Vec<String>>);

impl ConditionKeys for Entries {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        let values = self.0.get(key)?;
        Some(match values.as_slice() {
            [one] => Values::One(one.into()),
            many => Values::Many(many.iter().map(Into::into).collect()),
        })
    }
}

/// Simulates what `inputs` ask for, on behalf of `simulated`.
///
/// # Errors
/// A document is none, or a member asks for what is not simulated here.
pub(crate) fn run(ctx: &RequestContext, simulated: Simulated, inputs: Inputs) -> Result<Output, IamError> {
    inputs.refuse_unsupported()?;
    let resources = match inputs.resource_arns {
        Some(resources) if !resources.is_empty() => resources,
        _ => vec!["*".to_owned()],
    };
    if inputs.action_names.len() * resources.len() > REQUESTS_MAX {
        return Err(IamError::InvalidInput(format!("One simulation has {REQUESTS_MAX} requests at most.")));
    }
    let mut identity = simulated.policies;
    for (at, text) in inputs.policy_input_list.iter().enumerate() {
        identity.push(Sourced::of_input(format!("PolicyInputList.{}", at + 1), text)?);
    }
    let boundary = match inputs.permissions_boundary_policy_input_list.as_slice() {
        [] => simulated.boundary,
        [text] => Some(Sourced::of_input("PermissionsBoundaryPolicyInputList.1".to_owned(), text)?.attached),
        _ => return Err(IamError::InvalidInput("Only one permissions boundary can be simulated.".to_owned())),
    };
    let caller = match (inputs.caller_arn, simulated.caller) {
        (Some(arn), _) => principal::caller(&arn)?,
        (None, Some(caller)) => caller,
        // Source: SimulateCustomPolicy, `CallerArn`: a resource policy decides by who calls.
        (None, None) if inputs.resource_policy.is_some() => {
            return Err(IamError::InvalidInput("CallerArn is required when ResourcePolicy is given.".to_owned()));
        }
        (None, None) => principal::anyone(ctx.account),
    };
    let mut keys = principal::keys(&caller, &simulated.tags);
    for entry in inputs.context_entries {
        keys.insert(entry.context_key_name.to_lowercase(), entry.context_key_values);
    }
    let owner = match inputs.resource_owner {
        Some(owner) => owner_account(&owner)?,
        None => caller.account().unwrap_or(ctx.account),
    };
    let resource = inputs.resource_policy.map(|text| Policy::parse(&text, PolicyKind::Resource)).transpose()?;
    let scene = Scene { caller, owner, identity, boundary, resource, keys: Entries(keys) };

    let requests =
        inputs.action_names.iter().flat_map(|action| resources.iter().map(move |resource| (action, resource)));
    let results = requests.enumerate().map(|(at, (action, resource))| (at, scene.result(action, resource)));
    // The marker is the position of the last result, in digits that sort as text.
    let page = Page::of(results, inputs.marker.as_deref(), inputs.max_items, |(at, _)| format!("{at:08}"));
    debug_assert!(page.items.len() <= page::size(inputs.max_items));
    Ok(Output {
        evaluation_results: page.items.into_iter().map(|(_, result)| result).collect(),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

fn owner_account(text: &str) -> Result<AccountId, IamError> {
    let account = text.parse::<Arn>().map_or_else(|_| text.to_owned(), |arn| arn.account);
    account.parse().map_err(|_| IamError::InvalidInput(format!("{text} is not the owner of resources.")))
}

impl Scene {
    fn result(&self, action: &str, resource: &str) -> EvaluationResult {
        let request = Request { caller: &self.caller, action, resource, owner: self.owner, keys: &self.keys };
        let attached: Vec<Attached> = self.identity.iter().map(|sourced| sourced.attached.clone()).collect();
        let policies = Policies {
            identity: &attached,
            boundary: self.boundary.as_ref(),
            session: &[],
            resource: self.resource.as_ref().map_or(ResourcePolicy::None, ResourcePolicy::Of),
        };
        let decision = evaluate(&request, &policies);
        let verdict = verdict(&decision);
        let matched = self.matched(&decision);
        let missing = self.missing();
        let boundary = self.boundary.as_ref().map(|boundary| Boundary {
            allowed_by_permissions_boundary: evaluate(
                &request,
                &Policies { identity: std::slice::from_ref(boundary), ..Policies::default() },
            )
            .allowed,
        });
        EvaluationResult {
            eval_action_name: action.to_owned(),
            eval_resource_name: resource.to_owned(),
            eval_decision: verdict,
            matched_statements: matched.clone(),
            missing_context_values: missing.clone(),
            permissions_boundary_decision_detail: boundary.clone(),
            resource_specific_results: vec![ResourceResult {
                eval_resource_name: resource.to_owned(),
                eval_resource_decision: verdict,
                matched_statements: matched,
                missing_context_values: missing,
                permissions_boundary_decision_detail: boundary,
            }],
        }
    }

    /// The statement that decided, and where it stands.
    fn matched(&self, decision: &Decision) -> Vec<MatchedStatement> {
        let (Reason::AllowedBy(by) | Reason::ExplicitDeny(by)) = &decision.reason else { return Vec::new() };
        let StatementRef { source, policy, statement } = by;
        let (id, kind, text) = match source {
            Source::Resource | Source::Trust => {
                ("ResourcePolicy".into(), "resource", self.resource.as_ref().map(|policy| policy.text().clone()))
            }
            Source::Boundary => {
                (policy.clone(), "none", self.boundary.as_ref().map(|boundary| boundary.policy.text().clone()))
            }
            Source::Identity | Source::Session => {
                let sourced = self.identity.iter().find(|sourced| sourced.attached.name == *policy);
                (
                    policy.clone(),
                    sourced.map_or("none", |sourced| sourced.kind),
                    sourced.map(|sourced| sourced.attached.policy.text().clone()),
                )
            }
        };
        let span = text.and_then(|text| position::of_statement(&text, statement));
        vec![MatchedStatement::new(&id, kind, span)]
    }

    /// Keys that policies ask about and the simulation was not told.
    fn missing(&self) -> Vec<String> {
        let policies = self.identity.iter().map(|sourced| &*sourced.attached.policy);
        let policies = policies.chain(self.boundary.iter().map(|boundary| &*boundary.policy)).chain(&self.resource);
        let mut missing: Vec<String> = policies
            .flat_map(Policy::context_keys)
            .filter(|key| self.keys.values(&key.to_lowercase()).is_none())
            .collect();
        missing.sort();
        missing.dedup();
        missing
    }
}

fn verdict(decision: &Decision) -> &'static str {
    match &decision.reason {
        _ if decision.allowed => "allowed",
        Reason::ExplicitDeny(_) => "explicitDeny",
        _ => "implicitDeny",
    }
}
