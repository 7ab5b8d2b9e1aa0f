//! A secret's plaintext is in no file of the data directory.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use hearth_store::{Blobs, Codec, DataDir, DirBlobs, Epoch, Key, Mutation, Record, Secret, Shard, SqliteStore, Store};
use hearth_types::{AccountId, Partition, Scope};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Login {
    user: String,
    password: Secret<String>,
    environment: Vec<Secret<(String, String)>>,
}

impl Record for Login {
    const KIND: &'static str = "test.login";
    const VERSION: u32 = 1;
}

const OPEN: &str = "in-plain-sight-user";
const HIDDEN: [&str; 2] = ["correct-horse-battery-staple", "another-hidden-value"];

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("lists") {
        let path = entry.expect("lists").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), fs::read(&path).expect("reads")));
        }
    }
    found
}

fn holding(files: &[(String, Vec<u8>)], text: &[u8]) -> Vec<String> {
    let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    files.iter().filter(|(_, bytes)| holds(bytes)).map(|(name, _)| name.clone()).collect()
}

#[tokio::test]
async fn no_file_holds_a_secret_while_the_store_is_open_nor_after() {
    let data = DataDir::ephemeral().expect("opens");
    let store = SqliteStore::open(&data.store()).expect("opens");
    let blobs = DirBlobs::open(&data.blobs()).expect("opens");
    let codec = Codec::open(&data.keys()).expect("opens");
    let scope = Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: None };
    let login = Login {
        user: OPEN.to_owned(),
        password: Secret(HIDDEN[0].to_owned()),
        environment: vec![Secret(("NAME".to_owned(), HIDDEN[1].to_owned()))],
    };
    let key = |number| Key::new(&scope, Login::KIND).part_u64(number);
    for round in 0..50 {
        let value = codec.encode(&login).expect("encodes");
        let mut mutations = vec![Mutation::Put(key(round % 7), value)];
        if round % 3 == 0 {
            mutations.push(Mutation::Delete(key(round % 5)));
        }
        store.commit(&Shard::new(&scope, "test"), Epoch(0), vec![], mutations).await.expect("commits");
    }
    blobs.put(Bytes::from_static(b"a blob")).await.expect("puts");
    let while_open = files(data.root());
    let entry = store.get(&key(6)).await.expect("reads").expect("exists");
    let read: Login = codec.decode(&entry.value).expect("decodes");
    assert_eq!((read.password, read.environment[0].0.1.as_str()), (Secret(HIDDEN[0].to_owned()), HIDDEN[1]));
    drop(store);
    let after = files(data.root());
    let master_key = fs::read_to_string(data.keys()).expect("reads");
    let digits = master_key.split_whitespace().nth(1).expect("is there");
    for (when, files) in [("open", &while_open), ("closed", &after)] {
        // The search works: what is not secret is found.
        assert!(!holding(files, OPEN.as_bytes()).is_empty(), "{when}");
        for hidden in HIDDEN {
            assert_eq!(holding(files, hidden.as_bytes()), Vec::<String>::new(), "{when}");
        }
        assert_eq!(holding(files, digits.as_bytes()), vec![data.keys().display().to_string()], "{when}");
        assert_eq!(holding(files, &hex::decode(digits).expect("is hex")), Vec::<String>::new(), "{when}");
    }
    assert!(while_open.iter().any(|(name, _)| name.ends_with("hearth.db-wal")), "the log was searched too");
}
