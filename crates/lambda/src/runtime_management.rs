//! When a function gets another build of its runtime. Pure; which builds there are is asked elsewhere.
//!
//! Source: Lambda developer guide, "Understanding how Lambda manages runtime version updates". A machine has one build of
//! a runtime at a time: a function that is held to one that was replaced does not run until it is let go, or until that
//! build is back.

use hearth_ports::{Architecture, RuntimeId, RuntimeVersion};
use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::error::LambdaError;

/// Answers which build of a runtime this server has on an architecture, if it is known yet.
pub type RuntimeVersions = dyn Fn(&RuntimeId, Architecture) -> Option<RuntimeVersion> + Send + Sync;

/// Names as in the API model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum UpdateRuntimeOn {
    #[default]
    Auto,
    FunctionUpdate,
    Manual,
}

/// Of one version of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RuntimeManagement {
    update_on: UpdateRuntimeOn,
    /// What it runs on. None of images, which bring their own, and where it was not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<RuntimeVersion>,
}

impl RuntimeManagement {
    /// Of a function that is created.
    pub(crate) fn of_new(current: Option<RuntimeVersion>) -> Self {
        Self { update_on: UpdateRuntimeOn::Auto, version: current }
    }

    pub(crate) const fn update_on(&self) -> UpdateRuntimeOn {
        self.update_on
    }

    pub(crate) const fn version(&self) -> Option<&RuntimeVersion> {
        self.version.as_ref()
    }

    /// The build that it does not run without.
    pub(crate) fn held(&self) -> Option<&RuntimeVersion> {
        self.version.as_ref().filter(|_| self.update_on != UpdateRuntimeOn::Auto)
    }

    /// After its code or configuration was updated; `is_other`: its runtime or architecture, too.
    ///
    /// # Errors
    /// It is held to a build of another runtime.
    pub(crate) fn updated(&self, is_other: bool, current: Option<RuntimeVersion>) -> Result<Self, LambdaError> {
        match self.update_on {
            UpdateRuntimeOn::Manual if is_other => Err(LambdaError::invalid(
                "The function is held to a version of its runtime. Set UpdateRuntimeOn to Auto or FunctionUpdate before \
                 you change the runtime or the architecture.",
            )),
            UpdateRuntimeOn::Manual => Ok(self.clone()),
            UpdateRuntimeOn::Auto | UpdateRuntimeOn::FunctionUpdate => {
                Ok(Self { update_on: self.update_on, version: current.or_else(|| self.version.clone()) })
            }
        }
    }

    /// On a server that has this build now: where nothing holds it, that is what it runs on.
    pub(crate) fn on(&self, current: Option<RuntimeVersion>) -> Self {
        let version = match self.held() {
            Some(held) => Some(held.clone()),
            None => current.or_else(|| self.version.clone()),
        };
        Self { update_on: self.update_on, version }
    }

    /// As PutRuntimeManagementConfig sets it.
    ///
    /// # Errors
    /// The version belongs to the other mode, is missing, or is none that can be had.
    pub(crate) fn set(
        &self,
        ctx: &RequestContext,
        update_on: UpdateRuntimeOn,
        arn: Option<&str>,
        current: Option<RuntimeVersion>,
    ) -> Result<Self, LambdaError> {
        let version = match (update_on, arn) {
            (UpdateRuntimeOn::Manual, None) => {
                return Err(LambdaError::invalid("RuntimeVersionArn is required when UpdateRuntimeOn is Manual."));
            }
            (UpdateRuntimeOn::Manual, Some(arn)) => {
                let named = |version: &RuntimeVersion| version.arn(ctx.partition, &ctx.region) == arn;
                let known = [current, self.version.clone()].into_iter().flatten().find(named);
                Some(known.ok_or_else(|| {
                    LambdaError::invalid(format!(
                        "Runtime version {arn} is not available. GetFunctionConfiguration shows the version that the \
                         function runs on."
                    ))
                })?)
            }
            (_, Some(_)) => {
                return Err(LambdaError::invalid("RuntimeVersionArn is allowed only when UpdateRuntimeOn is Manual."));
            }
            (UpdateRuntimeOn::Auto, None) => current.or_else(|| self.version.clone()),
            // It changes with the next update of the function.
            (UpdateRuntimeOn::FunctionUpdate, None) => self.version.clone().or(current),
        };
        Ok(Self { update_on, version })
    }
}

#[cfg(test)]
mod tests {
    use hearth_types::{AccountId, Partition, Region, RequestId, Scope};

    use super::*;

    fn build(origin: &str) -> Option<RuntimeVersion> {
        Some(RuntimeVersion::new(&RuntimeId("python3.11".into()), Architecture::X86_64, origin))
    }

    fn ctx() -> RequestContext {
        let region = Some(Region::from(Region::DEFAULT));
        let scope = Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region };
        RequestContext::service(&scope, "test", RequestId::from("r"))
    }

    fn set(update_on: UpdateRuntimeOn) -> RuntimeManagement {
        let arn = build("1").expect("one").arn(ctx().partition, &ctx().region);
        let arn = (update_on == UpdateRuntimeOn::Manual).then_some(arn);
        RuntimeManagement::of_new(build("1")).set(&ctx(), update_on, arn.as_deref(), build("1")).expect("set")
    }

    #[test]
    fn what_is_not_held_follows_the_machine() {
        let auto = RuntimeManagement::of_new(build("1"));
        assert_eq!((auto.held(), auto.on(build("2")).version()), (None, build("2").as_ref()));
        assert_eq!(auto.on(None).version(), build("1").as_ref(), "until it is known, what it was");
        assert_eq!(auto.updated(false, build("2")).expect("updated").version(), build("2").as_ref());
    }

    #[test]
    fn function_update_takes_what_there_is_with_an_update_and_not_before() {
        let held = set(UpdateRuntimeOn::FunctionUpdate);
        assert_eq!(held.on(build("2")).held(), build("1").as_ref());
        assert_eq!(held.updated(true, build("2")).expect("updated").held(), build("2").as_ref());
    }

    #[test]
    fn manual_stays_with_what_was_named_until_another_is_set() {
        let held = set(UpdateRuntimeOn::Manual);
        assert_eq!(held.on(build("2")).held(), build("1").as_ref());
        assert_eq!(held.updated(false, build("2")).expect("updated").held(), build("1").as_ref());
        held.updated(true, build("2")).expect_err("of another runtime");
        let free = held.set(&ctx(), UpdateRuntimeOn::Auto, None, build("2")).expect("set");
        assert_eq!((free.held(), free.version()), (None, build("2").as_ref()));
    }

    #[test]
    fn a_version_is_named_with_manual_only_and_must_be_one_that_is_there() {
        let auto = RuntimeManagement::of_new(build("1"));
        let arn = |origin: &str| build(origin).expect("one").arn(ctx().partition, &ctx().region);
        for (update_on, arn) in [
            (UpdateRuntimeOn::Manual, None),
            (UpdateRuntimeOn::Manual, Some(arn("3"))),
            (UpdateRuntimeOn::Auto, Some(arn("1"))),
            (UpdateRuntimeOn::FunctionUpdate, Some(arn("1"))),
        ] {
            auto.set(&ctx(), update_on, arn.as_deref(), build("2")).expect_err("refused");
        }
        for known in ["1", "2"] {
            let arn = arn(known);
            let set = auto.set(&ctx(), UpdateRuntimeOn::Manual, Some(&arn), build("2")).expect("there");
            assert_eq!(set.held(), build(known).as_ref());
        }
    }
}
