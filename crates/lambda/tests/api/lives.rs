//! What survives the end of a server, however it ended.

use std::collections::{BTreeMap, BTreeSet};

use hearth_ports::FunctionCatalog;
use hearth_store::Blobs;
use hearth_types::{AccountId, Partition, Qualifier, RequestContext, RequestId, Scope, Version};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{World, blob, function, with};

pub(crate) fn ctx() -> RequestContext {
    let scope = Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: Some("us-east-1".into()) };
    RequestContext::service(&scope, "test", RequestId::from("r"))
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let world = World::new().await;
    let tags = json!({"Tags": {"a": "b"}, "Environment": {"Variables": {"KEY": "value"}}});
    world.create(with(function("f"), tags)).await.ok(201);
    world.settled("f").await;
    world.publish("f", json!({"Description": "first"})).await.ok(201);
    let paths = ["/2015-03-31/functions", "/2015-03-31/functions/f/versions", "/2015-03-31/functions/f/configuration"];
    let mut before = Vec::new();
    for path in paths {
        before.push(world.get(path).await.ok(200));
    }
    let snapshot = world.catalog.resolve(&ctx(), "f", None).expect("active").version.snapshot.clone();

    let world = world.restart().await;
    for (path, before) in paths.iter().zip(before) {
        assert_eq!(world.get(path).await.ok(200), before);
    }
    let resolved = world.catalog.resolve(&ctx(), "f", None).expect("active").version;
    assert_eq!(resolved.snapshot, snapshot);
    assert_eq!(resolved.environment["KEY"], "value");
    world.catalog.resolve(&ctx(), "f", Some(&Qualifier::Version(Version::Published(1)))).expect("published");
    world.packages_left(1).await;
}

#[tokio::test]
async fn what_was_pending_or_in_progress_is_finished_by_the_next_server() {
    let world = World::new().await;
    world.store.allow(1);
    world.create(function("f")).await.ok(201);
    world.store.held().await;
    let world = world.restart().await;
    assert_eq!(world.settled("f").await["State"], "Active");

    world.store.allow(1);
    world.update_code("f", json!({"ZipFile": blob(b"PK new"), "Publish": true})).await.ok(200);
    world.store.held().await;
    let world = world.restart().await;
    assert_eq!(world.settled("f").await["LastUpdateStatus"], "Successful");
    assert_eq!(world.configuration("f:1").await["State"], "Active");
    // Of the old code nothing is left.
    world.packages_left(1).await;
}

#[tokio::test]
async fn packages_of_unfinished_uploads_are_deleted_at_the_next_start() {
    let world = World::new().await;
    world.created("f").await;
    world.blobs.put(bytes::Bytes::from_static(b"PK orphan")).await.expect("a blob");
    let world = world.restart().await;
    world.packages_left(1).await;
}

#[derive(Clone, Debug)]
enum Step {
    Create {
        publish: bool,
    },
    Configure,
    Code {
        publish: bool,
    },
    Publish,
    /// What a deployment does: change, wait, publish.
    Release,
    DeleteVersion(u64),
    Delete,
    Settle,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => any::<bool>().prop_map(|publish| Step::Create { publish }),
        3 => Just(Step::Configure),
        2 => any::<bool>().prop_map(|publish| Step::Code { publish }),
        2 => Just(Step::Publish),
        5 => Just(Step::Release),
        2 => (1..6_u64).prop_map(Step::DeleteVersion),
        1 => Just(Step::Delete),
        4 => Just(Step::Settle),
        2 => Just(Step::Restart),
    ]
}

/// Version numbers issued to one life of the function, and what each of them was.
#[derive(Default)]
struct Life {
    issued: BTreeMap<u64, (Value, Value)>,
    deleted: BTreeSet<u64>,
}

impl Life {
    /// A version number came back from an operation that publishes.
    fn note(&mut self, shown: &Value) {
        let number: u64 = shown["Version"].as_str().and_then(|text| text.parse().ok()).expect("a number");
        let content = (shown["CodeSha256"].clone(), shown["Description"].clone());
        assert!(!self.deleted.contains(&number), "{number} was deleted and came back");
        match self.issued.get(&number) {
            Some(former) => assert_eq!(former, &content, "{number} was issued twice"),
            None => {
                let highest = self.issued.keys().next_back().copied().unwrap_or(0);
                assert_eq!(number, highest + 1);
                self.issued.insert(number, content);
            }
        }
    }
}

async fn run(steps: Vec<Step>) {
    let mut world = World::new().await;
    let mut life = Life::default();
    let mut exists = false;
    for (at, step) in steps.into_iter().enumerate() {
        let unique = format!("{at}");
        let zip = blob(format!("PK {unique}").as_bytes());
        match step {
            Step::Create { publish } => {
                let code = json!({"Code": {"ZipFile": zip}, "Publish": publish, "Description": unique});
                let answer = world.create(with(function("f"), code)).await;
                assert_eq!(answer.status.as_u16(), if exists { 409 } else { 201 });
                if !exists {
                    life = Life::default();
                    if publish {
                        life.note(&answer.json());
                    }
                }
                exists = true;
            }
            Step::Configure => {
                world.update_configuration("f", json!({"Description": unique})).await;
            }
            Step::Code { publish } => {
                let answer = world.update_code("f", json!({"ZipFile": zip, "Publish": publish})).await;
                if publish && answer.status == 200 {
                    life.note(&answer.json());
                }
            }
            Step::Publish => {
                let answer = world.publish("f", Value::Null).await;
                if answer.status == 201 {
                    life.note(&answer.json());
                }
            }
            Step::Release if exists => {
                world.settled("f").await;
                world.update_configuration("f", json!({"Description": unique})).await.ok(200);
                world.settled("f").await;
                life.note(&world.publish("f", Value::Null).await.ok(201));
            }
            Step::Release => {}
            Step::DeleteVersion(number) => {
                let answer = world.delete(&format!("f?Qualifier={number}")).await;
                assert_eq!(answer.status.as_u16(), if exists { 204 } else { 404 });
                if life.issued.contains_key(&number) {
                    life.deleted.insert(number);
                }
            }
            Step::Delete => {
                assert_eq!(world.delete("f").await.status.as_u16(), if exists { 204 } else { 404 });
                exists = false;
                life = Life::default();
            }
            Step::Settle if exists => {
                world.settled("f").await;
            }
            Step::Settle => {}
            Step::Restart => world = world.restart().await,
        }
    }
    if exists {
        let list = world.get("/2015-03-31/functions/f/versions?MaxItems=50").await.ok(200);
        let shown = list["Versions"].as_array().expect("a list").iter();
        let shown: BTreeSet<u64> = shown.filter_map(|version| version["Version"].as_str()?.parse().ok()).collect();
        let expected: BTreeSet<u64> =
            life.issued.keys().filter(|number| !life.deleted.contains(number)).copied().collect();
        assert_eq!(shown, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 64, ..ProptestConfig::default() })]

    #[test]
    fn version_numbers_are_never_reused_within_a_life(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        runtime.block_on(run(steps));
    }
}
