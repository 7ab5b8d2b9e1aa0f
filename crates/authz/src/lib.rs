//! The policy evaluator: pure, no I/O. It answers for policies it is handed and loads nothing.
//!
//! A [`Policy`] is a document, checked and compiled once. [`evaluate()`] weighs the policies that apply to a request and
//! says yes or no, and which statement decided.
//!
//! Source: IAM user guide, "Policy evaluation logic" and "IAM JSON policy element reference".

mod condition;
mod evaluate;
mod glob;
mod message;
mod pattern;
mod policy;
mod principal;

pub use evaluate::{
    Attached, ConditionKeys, Decision, Policies, Reason, Request, ResourcePolicy, Source, StatementRef, Values,
    evaluate,
};
pub use policy::{Policy, PolicyEdit, PolicyError, PolicyKind};
