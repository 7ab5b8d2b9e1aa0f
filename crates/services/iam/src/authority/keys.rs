//! The condition keys of one request. Pure.
//!
//! Source: IAM user guide, "AWS global condition context keys". Keys that only a service knows come with the request.

use std::borrow::Cow;

use hearth_authz::{ConditionKeys, Values};
use hearth_ports::Condition;
use hearth_types::clock::format_utc;
use hearth_types::{Arn, Caller, RequestContext};

/// What a request is asked about.
pub(crate) struct RequestKeys<'a> {
    pub(crate) ctx: &'a RequestContext,
    pub(crate) conditions: &'a [Condition],
    /// Of the user or role behind the caller.
    pub(crate) principal_tags: &'a [(String, String)],
    pub(crate) now_ms: i64,
}

const PRINCIPAL_TAG: &str = "aws:principaltag/";

impl ConditionKeys for RequestKeys<'_> {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        // What the service says of its own request wins: only it knows.
        if let Some(condition) = self.conditions.iter().find(|condition| condition.key.eq_ignore_ascii_case(key)) {
            return Some(match condition.values.as_slice() {
                [one] if !is_multivalued(key) => Values::One(one.into()),
                many => Values::Many(many.iter().map(Into::into).collect()),
            });
        }
        self.global(key).map(Values::One)
    }
}

/// Keys that hold a list even if it has one member.
fn is_multivalued(key: &str) -> bool {
    matches!(key, "aws:tagkeys" | "sts:transitivetagkeys")
}

impl RequestKeys<'_> {
    fn global(&self, key: &str) -> Option<Cow<'_, str>> {
        let ctx = self.ctx;
        let owned = |text: String| Some(Cow::Owned(text));
        let flag = |is: bool| Some(Cow::Borrowed(if is { "true" } else { "false" }));
        match key {
            "aws:principalarn" => self.principal_arn(),
            "aws:principalaccount" => ctx.caller.account().and_then(|account| owned(account.to_string())),
            "aws:principaltype" => Some(principal_type(&ctx.caller).into()),
            "aws:userid" => match &ctx.caller {
                Caller::Root { account } => owned(account.to_string()),
                Caller::User { user_id, .. } => Some(Cow::Borrowed(user_id)),
                Caller::RoleSession { assumed_role_id, .. } => Some(Cow::Borrowed(assumed_role_id)),
                Caller::Anonymous => Some("anonymous".into()),
                Caller::Federated { .. } | Caller::Service { .. } => None,
            },
            "aws:username" => match &ctx.caller {
                Caller::User { name, .. } => Some(Cow::Borrowed(name)),
                _ => None,
            },
            "aws:sourceip" => match &ctx.caller {
                // Source: a service's own calls have no address.
                Caller::Service { .. } => None,
                _ => owned(ctx.source_ip.to_canonical().to_string()),
            },
            "aws:securetransport" => flag(ctx.secure),
            "aws:currenttime" => owned(format_utc(self.now_ms, "%Y-%m-%dT%H:%M:%SZ")),
            "aws:epochtime" => owned((self.now_ms / 1000).to_string()),
            "aws:requestedregion" => Some(Cow::Borrowed(ctx.region.as_str())),
            "aws:useragent" => ctx.user_agent.as_deref().map(Cow::Borrowed),
            "aws:referer" => ctx.referer.as_deref().map(Cow::Borrowed),
            "aws:resourceaccount" => owned(ctx.account.to_string()),
            "aws:principalisawsservice" => flag(matches!(ctx.caller, Caller::Service { .. })),
            "aws:principalservicename" => match &ctx.caller {
                Caller::Service { principal, .. } => Some((*principal).into()),
                _ => None,
            },
            "aws:sourcearn" => match &ctx.caller {
                Caller::Service { source_arn, .. } => source_arn.as_deref().map(Cow::Borrowed),
                _ => None,
            },
            "aws:sourceaccount" => match &ctx.caller {
                Caller::Service { source_account, .. } => source_account.and_then(|account| owned(account.to_string())),
                _ => None,
            },
            "aws:viaawsservice" => flag(false),
            _ => self.of_session(key),
        }
    }

    /// Keys that temporary credentials have, and tags of whoever has them.
    fn of_session(&self, key: &str) -> Option<Cow<'_, str>> {
        let session = self.ctx.caller.session();
        if let Some(tag) = key.strip_prefix(PRINCIPAL_TAG) {
            // A session's tag stands before the role's of the same key. Source: "Passing session tags in AWS STS".
            let of_session = session.into_iter().flat_map(|session| &session.tags);
            let mut tags = of_session.chain(self.principal_tags);
            return tags.find(|(name, _)| name.eq_ignore_ascii_case(tag)).map(|(_, value)| value.into());
        }
        let session = session?;
        match key {
            "aws:tokenissuetime" => Some(Cow::Owned(format_utc(session.issued_at_ms, "%Y-%m-%dT%H:%M:%SZ"))),
            // Nobody here has a second factor; long-term keys do not have the key at all.
            "aws:multifactorauthpresent" => Some("false".into()),
            "aws:federatedprovider" => session.provider_arn.as_deref().map(Cow::Borrowed),
            "aws:sourceidentity" | "sts:sourceidentity" => session.source_identity.as_deref().map(Cow::Borrowed),
            "lambda:sourcefunctionarn" => session.function_arn.as_deref().map(Cow::Borrowed),
            _ => None,
        }
    }

    /// Of a session it is the role's.
    fn principal_arn(&self) -> Option<Cow<'_, str>> {
        match &self.ctx.caller {
            Caller::Root { account } => Some(Arn::iam(self.ctx.partition, *account, "root").to_string().into()),
            Caller::User { arn, .. } => Some(Cow::Borrowed(arn)),
            Caller::RoleSession { role_arn, .. } => Some(Cow::Borrowed(role_arn)),
            Caller::Anonymous | Caller::Federated { .. } | Caller::Service { .. } => None,
        }
    }
}

/// Source: `aws:PrincipalType`.
const fn principal_type(caller: &Caller) -> &'static str {
    match caller {
        Caller::Anonymous => "Anonymous",
        Caller::Root { .. } => "Account",
        Caller::User { .. } => "User",
        Caller::RoleSession { .. } => "AssumedRole",
        Caller::Federated { .. } => "FederatedUser",
        Caller::Service { .. } => "Service",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use hearth_types::{AccountId, Partition, Region, RequestId, Scope, Session};

    const NOW_MS: i64 = 1_768_232_232_000;

    fn context(caller: Caller) -> RequestContext {
        let scope =
            Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: Some(Region::from("eu-west-1")) };
        let user_agent = Some("aws-cli/2".into());
        RequestContext { caller, user_agent, ..RequestContext::service(&scope, "test", RequestId::from("r")) }
    }

    fn user() -> Caller {
        Caller::User {
            account: AccountId::DEFAULT,
            name: "Ann".into(),
            arn: "arn:aws:iam::000000000000:user/p/Ann".into(),
            user_id: "AIDAX".into(),
            session: None,
        }
    }

    fn session() -> Caller {
        let session = Session {
            issued_at_ms: NOW_MS - 1_000,
            tags: vec![("team".to_owned(), "red".to_owned())],
            function_arn: Some("arn:aws:lambda:eu-west-1:000000000000:function:f".into()),
            ..Session::default()
        };
        Caller::RoleSession {
            account: AccountId::DEFAULT,
            role_arn: "arn:aws:iam::000000000000:role/r".into(),
            session_arn: "arn:aws:sts::000000000000:assumed-role/r/s".into(),
            assumed_role_id: "AROAX:s".into(),
            session: Arc::new(session),
        }
    }

    fn value(caller: Caller, conditions: &[Condition], key: &str) -> Option<String> {
        let ctx = context(caller);
        let tags = [("team".to_owned(), "blue".to_owned()), ("unit".to_owned(), "7".to_owned())];
        let keys = RequestKeys { ctx: &ctx, conditions, principal_tags: &tags, now_ms: NOW_MS };
        match keys.values(key)? {
            Values::One(one) => Some(one.into_owned()),
            Values::Many(many) => Some(format!("{many:?}")),
        }
    }

    // Source: IAM user guide, "AWS global condition context keys", the row "Availability" of each.
    #[test]
    fn each_caller_has_the_keys_the_guide_gives_it() {
        let cases: [(&str, Option<&str>, Option<&str>); 17] = [
            (
                "aws:principalarn",
                Some("arn:aws:iam::000000000000:user/p/Ann"),
                Some("arn:aws:iam::000000000000:role/r"),
            ),
            ("aws:principalaccount", Some("000000000000"), Some("000000000000")),
            ("aws:principaltype", Some("User"), Some("AssumedRole")),
            ("aws:userid", Some("AIDAX"), Some("AROAX:s")),
            ("aws:username", Some("Ann"), None),
            ("aws:principaltag/team", Some("blue"), Some("red")),
            ("aws:principaltag/unit", Some("7"), Some("7")),
            ("aws:principaltag/none", None, None),
            ("aws:tokenissuetime", None, Some("2026-01-12T15:37:11Z")),
            ("aws:multifactorauthpresent", None, Some("false")),
            ("lambda:sourcefunctionarn", None, Some("arn:aws:lambda:eu-west-1:000000000000:function:f")),
            ("aws:sourceip", Some("127.0.0.1"), Some("127.0.0.1")),
            ("aws:currenttime", Some("2026-01-12T15:37:12Z"), Some("2026-01-12T15:37:12Z")),
            ("aws:epochtime", Some("1768232232"), Some("1768232232")),
            ("aws:requestedregion", Some("eu-west-1"), Some("eu-west-1")),
            ("aws:useragent", Some("aws-cli/2"), Some("aws-cli/2")),
            ("aws:sourcearn", None, None),
        ];
        for (key, of_user, of_session) in cases {
            assert_eq!(value(user(), &[], key).as_deref(), of_user, "{key} of a user");
            assert_eq!(value(session(), &[], key).as_deref(), of_session, "{key} of a session");
        }
    }

    #[test]
    fn a_service_names_its_source_and_has_no_address() {
        let service = || Caller::Service {
            principal: "s3.amazonaws.com",
            source_arn: Some("arn:aws:s3:::b".into()),
            source_account: Some(AccountId::DEFAULT),
        };
        for (key, expected) in [
            ("aws:sourcearn", Some("arn:aws:s3:::b")),
            ("aws:sourceaccount", Some("000000000000")),
            ("aws:principalservicename", Some("s3.amazonaws.com")),
            ("aws:principalisawsservice", Some("true")),
            ("aws:sourceip", None),
            ("aws:principalaccount", None),
        ] {
            assert_eq!(value(service(), &[], key).as_deref(), expected, "{key}");
        }
    }

    #[test]
    fn what_the_service_says_wins_and_lists_stay_lists() {
        let conditions = [
            Condition::one("iam:PassedToService", "lambda.amazonaws.com"),
            Condition::many("aws:TagKeys", vec!["a".to_owned()]),
        ];
        assert_eq!(value(user(), &conditions, "iam:passedtoservice").as_deref(), Some("lambda.amazonaws.com"));
        assert_eq!(value(user(), &conditions, "aws:tagkeys").as_deref(), Some("[\"a\"]"));
    }
}
