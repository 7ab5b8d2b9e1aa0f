//! Who a resource policy speaks of: its `Principal` element.
//!
//! Source: IAM user guide, "AWS JSON policy elements: Principal" and "NotPrincipal".

use hearth_types::{AccountId, Arn, Caller};
use serde_json::Value;

/// How a policy names a caller; stronger ones come later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// Its account, which so delegates to its own identity policies.
    Account,
    /// Its role.
    Role,
    /// Everybody.
    Anyone,
    /// The user, the session, the service.
    Itself,
}

/// A `Principal` element, compiled.
#[derive(Debug, Default)]
pub(crate) struct Principals {
    anyone: bool,
    accounts: Vec<AccountId>,
    /// Users, roles and sessions.
    arns: Vec<String>,
    services: Vec<String>,
    federated: Vec<String>,
}

impl Principals {
    /// Of a value that has the form of a principal; what does not names nobody.
    pub(crate) fn read(value: &Value) -> Self {
        let mut this = Self::default();
        let Value::Object(kinds) = value else {
            this.anyone = value.as_str() == Some("*");
            return this;
        };
        for (kind, values) in kinds {
            let values = match values {
                Value::Array(many) => many.as_slice(),
                one => std::slice::from_ref(one),
            };
            for text in values.iter().filter_map(Value::as_str) {
                match kind.as_str() {
                    "AWS" => this.read_aws(text),
                    "Service" => this.services.push(text.to_owned()),
                    "Federated" => this.federated.push(text.to_owned()),
                    // Canonical users are S3's alone; nobody here is one.
                    _ => {}
                }
            }
        }
        this
    }

    fn read_aws(&mut self, text: &str) {
        if text == "*" {
            self.anyone = true;
        } else if let Ok(account) = text.parse() {
            self.accounts.push(account);
        } else {
            match text.parse::<Arn>() {
                Ok(arn) if arn.resource == "root" => self.accounts.extend(arn.account.parse::<AccountId>().ok()),
                _ => self.arns.push(text.to_owned()),
            }
        }
    }

    fn names(&self, arn: &str) -> bool {
        self.arns.iter().any(|named| named == arn)
    }

    fn has_account(&self, account: AccountId) -> bool {
        self.accounts.contains(&account)
    }

    /// How the element names the caller: the strongest way counts.
    pub(crate) fn standing(&self, caller: &Caller) -> Option<Standing> {
        let itself = match caller {
            Caller::Anonymous => false,
            // Naming an account and naming its root are one and the same.
            Caller::Root { account } => self.has_account(*account),
            Caller::User { arn, .. } => self.names(arn),
            Caller::RoleSession { session_arn, .. } => self.names(session_arn),
            Caller::Federated { provider_arn } => {
                self.federated.iter().any(|named| **named == **provider_arn || is_issuer(named, provider_arn))
            }
            Caller::Service { principal, source_arn, .. } => {
                let is_it = |named: &String| named == principal || is_regional(named, principal, source_arn.as_deref());
                self.services.iter().any(is_it)
            }
        };
        if itself {
            return Some(Standing::Itself);
        }
        if self.anyone {
            return Some(Standing::Anyone);
        }
        if let Caller::RoleSession { role_arn, .. } = caller
            && self.names(role_arn)
        {
            return Some(Standing::Role);
        }
        let account = caller.account().filter(|account| self.has_account(*account));
        account.map(|_| Standing::Account)
    }

    /// The same for `NotPrincipal`: the element leaves the caller out only if it lists the caller in every form, the
    /// account and the role included.
    pub(crate) fn standing_if_left_out(&self, caller: &Caller) -> Option<Standing> {
        let account = caller.account().is_none_or(|account| self.has_account(account));
        let is_listed = match caller {
            Caller::Anonymous => false,
            Caller::Root { .. } => account,
            Caller::User { arn, .. } => account && self.names(arn),
            Caller::RoleSession { role_arn, session_arn, .. } => {
                account && self.names(role_arn) && self.names(session_arn)
            }
            Caller::Federated { .. } | Caller::Service { .. } => self.standing(caller).is_some(),
        };
        (!self.anyone && !is_listed).then_some(Standing::Anyone)
    }
}

/// CloudWatch Logs goes by a name of its region, too: that of the log group on whose behalf it calls. Source: CloudWatch
/// Logs user guide, "Log group-level subscription filters".
fn is_regional(named: &str, principal: &str, source_arn: Option<&str>) -> bool {
    let region = named.strip_prefix("logs.").and_then(|rest| rest.strip_suffix(".amazonaws.com"));
    principal == "logs.amazonaws.com"
        && region.is_some()
        && region == source_arn.and_then(|source_arn| source_arn.split(':').nth(3))
}

/// Web identity providers may be named by their host alone.
fn is_issuer(named: &str, provider_arn: &str) -> bool {
    !named.starts_with("arn:") && provider_arn.split_once("oidc-provider/").is_some_and(|(_, host)| host == named)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use hearth_types::Session;
    use serde_json::json;

    fn user() -> Caller {
        Caller::User {
            account: "111111111111".parse().expect("digits"),
            name: "u".into(),
            arn: "arn:aws:iam::111111111111:user/u".into(),
            user_id: "AIDA".into(),
            session: None,
        }
    }

    fn session() -> Caller {
        Caller::RoleSession {
            account: "111111111111".parse().expect("digits"),
            role_arn: "arn:aws:iam::111111111111:role/r".into(),
            session_arn: "arn:aws:sts::111111111111:assumed-role/r/s".into(),
            assumed_role_id: "AROA:s".into(),
            session: Arc::new(Session::default()),
        }
    }

    fn root() -> Caller {
        Caller::Root { account: "111111111111".parse().expect("digits") }
    }

    fn service() -> Caller {
        Caller::Service { principal: "s3.amazonaws.com", source_arn: None, source_account: None }
    }

    #[test]
    fn logs_may_be_named_with_the_region_they_are_in() {
        let logs = |principal, source_arn: Option<&str>| Caller::Service {
            principal,
            source_arn: source_arn.map(Into::into),
            source_account: None,
        };
        let group = Some("arn:aws:logs:eu-west-1:111111111111:log-group:g:*");
        for (named, caller, is_named) in [
            ("logs.amazonaws.com", logs("logs.amazonaws.com", group), true),
            ("logs.eu-west-1.amazonaws.com", logs("logs.amazonaws.com", group), true),
            ("logs.us-east-1.amazonaws.com", logs("logs.amazonaws.com", group), false),
            ("logs.eu-west-1.amazonaws.com", logs("logs.amazonaws.com", None), false),
            ("logs.eu-west-1.amazonaws.com", logs("s3.amazonaws.com", group), false),
            ("s3.eu-west-1.amazonaws.com", logs("s3.amazonaws.com", group), false),
        ] {
            let standing = Principals::read(&json!({"Service": named})).standing(&caller);
            assert_eq!(standing == Some(Standing::Itself), is_named, "{named} {caller:?}");
        }
    }

    #[test]
    fn each_form_of_a_principal_covers_whom_the_guide_says() {
        use Standing::{Account, Anyone, Itself, Role};
        let cases: [(Value, [Option<Standing>; 5]); 9] = [
            // root, user, session, service, anonymous
            (json!("*"), [Some(Anyone), Some(Anyone), Some(Anyone), Some(Anyone), Some(Anyone)]),
            (json!({"AWS": "*"}), [Some(Anyone), Some(Anyone), Some(Anyone), Some(Anyone), Some(Anyone)]),
            (json!({"AWS": "111111111111"}), [Some(Itself), Some(Account), Some(Account), None, None]),
            (
                json!({"AWS": "arn:aws:iam::111111111111:root"}),
                [Some(Itself), Some(Account), Some(Account), None, None],
            ),
            (json!({"AWS": ["222222222222"]}), [None, None, None, None, None]),
            (json!({"AWS": "arn:aws:iam::111111111111:user/u"}), [None, Some(Itself), None, None, None]),
            (json!({"AWS": "arn:aws:iam::111111111111:role/r"}), [None, None, Some(Role), None, None]),
            (
                json!({"AWS": ["arn:aws:iam::111111111111:role/r", "arn:aws:sts::111111111111:assumed-role/r/s"]}),
                [None, None, Some(Itself), None, None],
            ),
            (json!({"Service": ["sns.amazonaws.com", "s3.amazonaws.com"]}), [None, None, None, Some(Itself), None]),
        ];
        for (principal, expected) in cases {
            let principals = Principals::read(&principal);
            let got = [root(), user(), session(), service(), Caller::Anonymous].map(|who| principals.standing(&who));
            assert_eq!(got, expected, "{principal}");
        }
    }

    #[test]
    fn a_wildcard_in_a_name_is_no_wildcard() {
        let principals = Principals::read(&json!({"AWS": "arn:aws:iam::111111111111:user/*"}));
        assert_eq!(principals.standing(&user()), None);
    }

    #[test]
    fn not_principal_leaves_out_only_who_is_listed_in_every_form() {
        let account = "arn:aws:iam::111111111111:root";
        let (role, of_session) = ("arn:aws:iam::111111111111:role/r", "arn:aws:sts::111111111111:assumed-role/r/s");
        let cases = [
            (json!({"AWS": ["arn:aws:iam::111111111111:user/u", account]}), user(), false),
            (json!({"AWS": "arn:aws:iam::111111111111:user/u"}), user(), true),
            (json!({"AWS": [role, of_session, account]}), session(), false),
            (json!({"AWS": [role, account]}), session(), true),
            (json!({"AWS": account}), root(), false),
            (json!({"Service": "s3.amazonaws.com"}), service(), false),
            (json!({"Service": "sns.amazonaws.com"}), service(), true),
            (json!("*"), user(), false),
        ];
        for (principal, caller, applies) in cases {
            let standing = Principals::read(&principal).standing_if_left_out(&caller);
            assert_eq!(standing.is_some(), applies, "{principal} {caller:?}");
        }
    }
}
