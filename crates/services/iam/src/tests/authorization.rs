//! Every operation asks before it does anything.

use hearth_ports::{Condition, Denied};
use hearth_types::{Arn, RequestContext};
use parking_lot::Mutex;

use super::*;

/// Denies everything and remembers what was asked.
#[derive(Default)]
struct DenyAll(Mutex<Vec<(String, String, Vec<Condition>)>>);

impl Authorizer for DenyAll {
    fn authorize(
        &self,
        _: &RequestContext,
        action: &str,
        resource: &Arn,
        conditions: &[Condition],
    ) -> Result<(), Denied> {
        self.0.lock().push((action.to_owned(), resource.to_string(), conditions.to_vec()));
        Err(Denied { message: "no".to_owned() })
    }
}

#[tokio::test]
async fn every_operation_asks_first_and_obeys() {
    let deny = Arc::new(DenyAll::default());
    let server = Server::over(tempfile::tempdir().expect("a directory"), deny.clone()).await;
    let policy = [("RoleName", "r"), ("PolicyName", "p"), ("PolicyDocument", POLICY)];
    let attached = [("RoleName", "r"), ("PolicyArn", LOGGING)];
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("CreateRole", &[("RoleName", "r"), ("Path", "/p/"), ("AssumeRolePolicyDocument", TRUST)]),
        ("GetRole", &policy[..1]),
        ("DeleteRole", &policy[..1]),
        ("ListRoles", &[]),
        ("PutRolePolicy", &policy),
        ("GetRolePolicy", &policy[..2]),
        ("DeleteRolePolicy", &policy[..2]),
        ("ListRolePolicies", &policy[..1]),
        ("AttachRolePolicy", &attached),
        ("DetachRolePolicy", &attached),
        ("ListAttachedRolePolicies", &policy[..1]),
        ("TagRole", &[("RoleName", "r"), ("Tags.member.1.Key", "k"), ("Tags.member.1.Value", "v")]),
        ("UntagRole", &[("RoleName", "r"), ("TagKeys.member.1", "k")]),
        ("ListRoleTags", &policy[..1]),
        ("ListInstanceProfilesForRole", &policy[..1]),
    ];
    for (action, parameters) in cases {
        server.call(action, parameters).await.refused(403, "AccessDenied", "no");
        let asked = std::mem::take(&mut *deny.0.lock());
        let resource = match *action {
            "CreateRole" => "role/p/r",
            "ListRoles" => "role/",
            _ => "role/r",
        };
        let expected = (format!("iam:{action}"), format!("arn:aws:iam::000000000000:{resource}"));
        assert_eq!(asked.iter().map(|(a, r, _)| (a.clone(), r.clone())).collect::<Vec<_>>(), [expected]);
        if action.ends_with("tachRolePolicy") {
            assert_eq!(asked[0].2, [Condition { key: "iam:PolicyARN", values: vec![LOGGING.to_owned()] }]);
        }
    }
}
