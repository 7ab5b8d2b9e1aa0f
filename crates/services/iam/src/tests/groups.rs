//! Groups and their members.

use super::*;

#[tokio::test]
async fn a_group_is_shown_as_it_was_created() {
    let server = Server::start().await;
    let created = server.run("CreateGroup", &[("GroupName", "g"), ("Path", "/a/")]).await;
    assert_eq!(created.one("Arn"), "arn:aws:iam::000000000000:group/a/g");
    let id = created.one("GroupId");
    assert!(id.starts_with("AGPA") && id.len() == 21);
    let got = server.run("GetGroup", &[("GroupName", "g")]).await;
    assert_eq!((got.one("GroupId"), got.one("IsTruncated"), got.one("Users")), (id, "false", ""));
    server.call("CreateGroup", &[("GroupName", "G")]).await.refused(
        409,
        "EntityAlreadyExists",
        "Group with name G already exists.",
    );
    server.call("GetGroup", &[("GroupName", "x")]).await.refused(
        404,
        "NoSuchEntity",
        "The group with name x cannot be found.",
    );
}

#[tokio::test]
async fn members_come_page_through_and_go() {
    let server = Server::start().await;
    server.run("CreateGroup", &[("GroupName", "g")]).await;
    for name in ["b", "A", "c"] {
        server.run("CreateUser", &[("UserName", name)]).await;
        for _ in 0..2 {
            server.run("AddUserToGroup", &[("GroupName", "g"), ("UserName", name)]).await;
        }
    }
    let first = server.run("GetGroup", &[("GroupName", "g"), ("MaxItems", "2")]).await;
    assert_eq!((first.all("UserName"), first.one("IsTruncated")), (vec!["A", "b"], "true"));
    let rest = server.run("GetGroup", &[("GroupName", "g"), ("Marker", first.one("Marker"))]).await;
    assert_eq!((rest.all("UserName"), rest.one("IsTruncated")), (vec!["c"], "false"));
    assert_eq!(server.run("ListGroupsForUser", &[("UserName", "b")]).await.all("GroupName"), ["g"]);

    server.call("DeleteGroup", &[("GroupName", "g")]).await.refused(
        409,
        "DeleteConflict",
        "Cannot delete entity, must remove users from group first.",
    );
    for name in ["b", "A", "c", "c"] {
        server.run("RemoveUserFromGroup", &[("GroupName", "g"), ("UserName", name)]).await;
    }
    assert!(server.run("ListGroupsForUser", &[("UserName", "b")]).await.all("GroupName").is_empty());
    server.run("DeleteGroup", &[("GroupName", "g")]).await;
    for action in ["AddUserToGroup", "RemoveUserFromGroup"] {
        server.call(action, &[("GroupName", "g"), ("UserName", "b")]).await.refused(
            404,
            "NoSuchEntity",
            "The group with name g cannot be found.",
        );
    }
}

#[tokio::test]
async fn a_user_is_in_ten_groups_at_most() {
    let server = Server::start().await;
    server.run("CreateUser", &[("UserName", "u")]).await;
    for number in 0..11 {
        let group = format!("g{number:02}");
        server.run("CreateGroup", &[("GroupName", &group)]).await;
        let answer = server.call("AddUserToGroup", &[("GroupName", &group), ("UserName", "u")]).await;
        if number < 10 {
            answer.ok();
        } else {
            answer.refused(409, "LimitExceeded", "Cannot exceed quota for GroupsPerUser: 10");
        }
    }
    let first = server.run("ListGroupsForUser", &[("UserName", "u"), ("MaxItems", "9")]).await;
    let rest = server.run("ListGroupsForUser", &[("UserName", "u"), ("Marker", first.one("Marker"))]).await;
    assert_eq!((first.all("GroupName").len(), rest.all("GroupName")), (9, vec!["g09"]));
}

#[tokio::test]
async fn a_renamed_group_keeps_its_members_and_policies() {
    let server = Server::start().await;
    let id = server.run("CreateGroup", &[("GroupName", "old")]).await.one("GroupId").to_owned();
    server.run("CreateGroup", &[("GroupName", "taken")]).await;
    server.run("CreateUser", &[("UserName", "u")]).await;
    server.run("AddUserToGroup", &[("GroupName", "old"), ("UserName", "u")]).await;
    server.run("PutGroupPolicy", &[("GroupName", "old"), ("PolicyName", "p"), ("PolicyDocument", POLICY)]).await;
    server.run("UpdateGroup", &[("GroupName", "old"), ("NewGroupName", "new"), ("NewPath", "/p/")]).await;
    let server = server.restart().await;
    let got = server.run("GetGroup", &[("GroupName", "new")]).await;
    assert_eq!((got.one("GroupId"), got.one("UserName")), (&*id, "u"));
    let listed = server.run("ListGroupsForUser", &[("UserName", "u")]).await;
    assert_eq!(listed.one("Arn"), "arn:aws:iam::000000000000:group/p/new");
    assert_eq!(server.run("ListGroupPolicies", &[("GroupName", "new")]).await.all("member"), ["p"]);
    server.call("UpdateGroup", &[("GroupName", "new"), ("NewGroupName", "TAKEN")]).await.refused(
        409,
        "EntityAlreadyExists",
        "Group with name TAKEN already exists.",
    );
}

#[tokio::test]
async fn another_life_of_a_group_s_name_has_no_members() {
    let server = Server::start().await;
    server.run("CreateUser", &[("UserName", "u")]).await;
    for _ in 0..2 {
        server.run("CreateGroup", &[("GroupName", "g")]).await;
        assert!(server.run("GetGroup", &[("GroupName", "g")]).await.all("UserName").is_empty());
        server.run("AddUserToGroup", &[("GroupName", "g"), ("UserName", "u")]).await;
        server.run("RemoveUserFromGroup", &[("GroupName", "g"), ("UserName", "u")]).await;
        server.run("DeleteGroup", &[("GroupName", "g")]).await;
    }
}

#[tokio::test]
async fn an_account_has_three_hundred_groups_at_most() {
    let server = Server::start().await;
    for number in 0..300 {
        server.run("CreateGroup", &[("GroupName", &format!("g{number}"))]).await;
    }
    server.call("CreateGroup", &[("GroupName", "more")]).await.refused(
        409,
        "LimitExceeded",
        "Cannot exceed quota for GroupsPerAccount: 300",
    );
    assert_eq!(server.run("ListGroups", &[]).await.all("GroupName").len(), 100);
}
