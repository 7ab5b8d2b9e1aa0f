//! Who decides about requests: nobody has keys, and everything is allowed that is not denied here.

use hearth_ports::{Access, AccessKeys, Authorizer, Denied, KeyLookup, ResourcePolicy};
use hearth_types::RequestContext;
use parking_lot::Mutex;

/// Knows no key: who calls is the root of an account.
pub struct NoKeys;

impl AccessKeys for NoKeys {
    fn find(&self, _: &str, _: Option<&str>) -> KeyLookup {
        KeyLookup::Unknown
    }
}

/// Notes what it is asked and denies what it is told to.
#[derive(Default)]
pub struct Policies {
    /// `<action> <resource>`, then ` by its policy` if the resource has one.
    pub asked: Mutex<Vec<String>>,
    /// What policies may ask about each of these: `<condition key>=<value>`, separated by spaces.
    pub conditions: Mutex<Vec<String>>,
    /// An action.
    pub denied: Mutex<Option<&'static str>>,
}

impl Authorizer for Policies {
    fn authorize(&self, _: &RequestContext, access: &Access<'_>) -> Result<(), Denied> {
        let policy = if matches!(access.policy, ResourcePolicy::None) { "" } else { " by its policy" };
        self.asked.lock().push(format!("{} {}{policy}", access.action, access.resource));
        let known = access.conditions.iter().map(|known| format!("{}={}", known.key, known.values.join("|")));
        self.conditions.lock().push(known.collect::<Vec<_>>().join(" "));
        match *self.denied.lock() {
            Some(action) if action == access.action => Err(Denied { message: format!("no {action}") }),
            _ => Ok(()),
        }
    }

    fn revision(&self) -> u64 {
        0
    }
}
