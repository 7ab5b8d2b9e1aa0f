//! Instance profiles, as far as tools make them beside roles.

use super::*;

#[tokio::test]
async fn a_profile_holds_one_role_and_goes_empty() {
    let server = Server::start().await;
    let created = server.run("CreateInstanceProfile", &[("InstanceProfileName", "ip"), ("Path", "/a/")]).await;
    assert_eq!(created.one("Arn"), "arn:aws:iam::000000000000:instance-profile/a/ip");
    assert_eq!(created.one("Roles"), "");
    let id = created.one("InstanceProfileId");
    assert!(id.starts_with("AIPA") && id.len() == 21);
    server.create("r").await;
    let pair = [("InstanceProfileName", "ip"), ("RoleName", "r")];
    server.run("AddRoleToInstanceProfile", &pair).await;
    let server = server.restart().await;
    let got = server.run("GetInstanceProfile", &pair[..1]).await;
    assert_eq!((got.one("InstanceProfileId"), got.one("RoleName")), (id, "r"));
    assert_eq!(server.run("ListInstanceProfiles", &[]).await.all("RoleName"), ["r"]);
    server.call("AddRoleToInstanceProfile", &pair).await.refused(
        409,
        "LimitExceeded",
        "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1",
    );
    let in_profile = "Cannot delete entity, must remove roles from instance profile first.";
    server.call("DeleteRole", &pair[1..]).await.refused(409, "DeleteConflict", in_profile);
    server.call("DeleteInstanceProfile", &pair[..1]).await.refused(409, "DeleteConflict", in_profile);
    server.run("RemoveRoleFromInstanceProfile", &pair).await;
    let missing = "The role with name r cannot be found.";
    server.call("RemoveRoleFromInstanceProfile", &pair).await.refused(404, "NoSuchEntity", missing);
    server.run("DeleteRole", &pair[1..]).await;
    server.call("AddRoleToInstanceProfile", &pair).await.refused(404, "NoSuchEntity", missing);
    server.run("DeleteInstanceProfile", &pair[..1]).await;
    for action in ["GetInstanceProfile", "DeleteInstanceProfile", "AddRoleToInstanceProfile", "ListInstanceProfileTags"]
    {
        let parameters = if action.starts_with("Add") { &pair[..] } else { &pair[..1] };
        server.call(action, parameters).await.refused(404, "NoSuchEntity", "Instance Profile ip cannot be found.");
    }
}

#[tokio::test]
async fn profiles_are_listed_by_path_and_by_role() {
    let server = Server::start().await;
    server.create("r").await;
    for (name, path) in [("b", "/x/"), ("A", "/"), ("c", "/x/")] {
        server.run("CreateInstanceProfile", &[("InstanceProfileName", name), ("Path", path)]).await;
        if name != "c" {
            server.run("AddRoleToInstanceProfile", &[("InstanceProfileName", name), ("RoleName", "r")]).await;
        }
    }
    let names = "InstanceProfileName";
    assert_eq!(server.run("ListInstanceProfiles", &[]).await.all(names), ["A", "b", "c"]);
    assert_eq!(server.run("ListInstanceProfiles", &[("PathPrefix", "/x/")]).await.all(names), ["b", "c"]);
    let first = server.run("ListInstanceProfiles", &[("MaxItems", "1")]).await;
    let rest = server.run("ListInstanceProfiles", &[("Marker", first.one("Marker"))]).await;
    assert_eq!((first.all(names), rest.all(names)), (vec!["A"], vec!["b", "c"]));
    let of_role = server.run("ListInstanceProfilesForRole", &[("RoleName", "r")]).await;
    assert_eq!((of_role.all(names), of_role.one("IsTruncated")), (vec!["A", "b"], "false"));
    let first = server.run("ListInstanceProfilesForRole", &[("RoleName", "r"), ("MaxItems", "1")]).await;
    let next = [("RoleName", "r"), ("Marker", first.one("Marker"))];
    assert_eq!(server.run("ListInstanceProfilesForRole", &next).await.all(names), ["b"]);
    server.call("ListInstanceProfilesForRole", &[("RoleName", "x")]).await.refused(
        404,
        "NoSuchEntity",
        "The role with name x cannot be found.",
    );
    server.call("CreateInstanceProfile", &[("InstanceProfileName", "B")]).await.refused(
        409,
        "EntityAlreadyExists",
        "Instance Profile B already exists.",
    );
}

#[tokio::test]
async fn a_profile_has_the_tags_it_was_created_with() {
    let server = Server::start().await;
    let parameters = [("InstanceProfileName", "ip"), ("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "x")];
    server.run("CreateInstanceProfile", &parameters).await;
    let listed = server.run("ListInstanceProfileTags", &parameters[..1]).await;
    assert_eq!((listed.one("Key"), listed.one("Value")), ("team", "x"));
}
