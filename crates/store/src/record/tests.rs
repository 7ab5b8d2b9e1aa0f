//! What the codec promises.

use std::path::Path;
use std::sync::Arc;

use hearth_types::{AccountId, OsRandom, Partition, Scope};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Codec, KeyRing, KeyRingError, Record, RecordError, Secret};
use crate::key::Key;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Account {
    full_name: String,
    password: Secret<String>,
    tokens: Vec<Secret<Vec<u8>>>,
    backup: Option<Box<Account>>,
}

/// Version 1 had `first` and `last`, version 2 `name`.
impl Record for Account {
    const KIND: &'static str = "test.account";
    const VERSION: u32 = 3;

    fn migrate(from: u32, mut value: serde_json::Value) -> Result<serde_json::Value, RecordError> {
        match from {
            1 => {
                let name =
                    format!("{} {}", value["first"].as_str().unwrap_or(""), value["last"].as_str().unwrap_or(""));
                value["name"] = name.into();
            }
            2 => value["full_name"] = value["name"].take(),
            _ => return Err(RecordError::UnknownVersion { kind: Self::KIND, version: from }),
        }
        Ok(value)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Plain {
    number: u32,
}

impl Record for Plain {
    const KIND: &'static str = "test.plain";
    const VERSION: u32 = 1;
}

fn codec() -> Codec {
    Codec::new(KeyRing::generate(&OsRandom), Arc::new(OsRandom))
}

fn account() -> Account {
    let backup =
        Account { full_name: "B".to_owned(), password: Secret("inner".to_owned()), tokens: vec![], backup: None };
    Account {
        full_name: "Ada Lovelace".to_owned(),
        password: Secret("hunter2".to_owned()),
        tokens: vec![Secret(vec![1]), Secret(vec![2, 3])],
        backup: Some(Box::new(backup)),
    }
}

fn key(name: &str) -> Key {
    Key::new(&Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: None }, "t").part(name)
}

#[test]
fn a_record_survives_and_its_secrets_are_not_in_the_bytes() {
    let codec = codec();
    let bytes = codec.encode(&account()).expect("encodes");
    let text = std::str::from_utf8(&bytes).expect("is text");
    assert!(text.starts_with(r#"{"kind":"test.account","version":3,"data":{"full_name":"Ada Lovelace","#), "{text}");
    assert!(!text.contains("hunter2") && !text.contains("inner"));
    assert_eq!(codec.decode::<Account>(&bytes), Ok(account()));
    let plain = codec.encode(&Plain { number: 7 }).expect("encodes");
    assert_eq!(plain, r#"{"kind":"test.plain","version":1,"data":{"number":7}}"#);
}

#[test]
fn the_same_secret_never_encrypts_to_the_same_bytes() {
    let codec = codec();
    let member = |bytes: &[u8], path: &str| {
        let value: serde_json::Value = serde_json::from_slice(bytes).expect("is JSON");
        value.pointer(path).expect(path).as_str().expect("is text").to_owned()
    };
    let twins = Account { tokens: vec![Secret(vec![9]), Secret(vec![9])], ..account() };
    let (one, two) = (codec.encode(&twins).expect("encodes"), codec.encode(&twins).expect("encodes"));
    assert_ne!(member(&one, "/data/password"), member(&two, "/data/password"));
    assert_ne!(member(&one, "/secrets/wrapped"), member(&two, "/secrets/wrapped"));
    assert_ne!(member(&one, "/data/tokens/0"), member(&one, "/data/tokens/1"));
}

#[test]
fn a_secret_neither_shows_nor_serialises_outside_a_record() {
    let secret = Secret("hunter2".to_owned());
    assert_eq!(format!("{secret:?} {secret:#?}"), "Secret(..) Secret(..)");
    assert!(!format!("{:?}", account()).contains("hunter2"));
    serde_json::to_string(&secret).expect_err("is a secret");
    serde_json::to_value(account()).expect_err("holds a secret");
    serde_json::from_str::<Secret<String>>("\"hunter2\"").expect_err("is a secret");
    // Nor on this thread after a record was encoded, decoded, or failed to.
    let codec = codec();
    let bytes = codec.encode(&account()).expect("encodes");
    codec.decode::<Account>(&bytes).expect("decodes");
    codec.decode::<Account>(b"{}").expect_err("is no record");
    serde_json::to_string(&secret).expect_err("is still a secret");
}

#[test]
fn older_versions_are_brought_up_step_by_step_with_their_secrets() {
    let codec = codec();
    let bytes = codec.encode(&account()).expect("encodes");
    let mut old: serde_json::Value = serde_json::from_slice(&bytes).expect("is JSON");
    old["version"] = json!(1);
    old["data"]["first"] = json!("Ada");
    old["data"]["last"] = json!("Lovelace");
    old["data"].as_object_mut().expect("is an object").remove("full_name");
    let old = serde_json::to_vec(&old).expect("is JSON");
    assert_eq!(codec.decode::<Account>(&old), Ok(account()));
}

#[test]
fn what_cannot_be_read_is_refused_with_the_reason() {
    let codec = codec();
    let bytes =
        |version: u32| serde_json::to_vec(&json!({"kind": "test.plain", "version": version, "data": {"number": 1}}));
    let newer = codec.decode::<Plain>(&bytes(2).expect("is JSON")).expect_err("is newer");
    assert_eq!(newer, RecordError::Newer { kind: "test.plain", found: 2, known: 1 });
    assert!(newer.to_string().contains("use a newer Hearth"), "{newer}");
    let ancient = codec.decode::<Plain>(&bytes(0).expect("is JSON")).expect_err("has no migration");
    assert_eq!(ancient, RecordError::UnknownVersion { kind: "test.plain", version: 0 });
    let account = codec.encode(&account()).expect("encodes");
    let other = codec.decode::<Plain>(&account).expect_err("is another kind");
    assert_eq!(other, RecordError::WrongKind { expected: "test.plain", found: "test.account".to_owned() });
    for garbage in [&b""[..], b"{", b"[]", b"{\"kind\":\"test.plain\",\"version\":1,\"data\":{}}", &[0xFF; 9]] {
        assert!(matches!(codec.decode::<Plain>(garbage), Err(RecordError::Json { .. })));
    }
}

#[test]
fn a_secret_opens_only_in_its_own_record_with_its_own_key() {
    let codec = codec();
    let bound = codec.encode_at(&key("a"), &account()).expect("encodes");
    assert_eq!(codec.decode_at(&key("a"), &bound), Ok(account()));
    for elsewhere in [codec.decode_at::<Account>(&key("b"), &bound), codec.decode::<Account>(&bound)] {
        assert!(matches!(elsewhere, Err(RecordError::Secrets { .. })), "{elsewhere:?}");
    }
    let unbound = codec.encode(&account()).expect("encodes");
    assert_eq!(codec.decode_at(&key("b"), &unbound), Ok(account()));
    let stranger = self::codec().decode::<Account>(&unbound).expect_err("has other keys");
    assert!(matches!(stranger, RecordError::UnknownKey { .. }), "{stranger}");
    // Any changed byte of any ciphertext is noticed.
    let whole: serde_json::Value = serde_json::from_slice(&unbound).expect("is JSON");
    for path in ["/data/password", "/data/tokens/1", "/data/backup/password", "/secrets/wrapped"] {
        let mut changed = whole.clone();
        let text = changed.pointer(path).expect(path).as_str().expect("is text").to_owned();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            *changed.pointer_mut(path).expect(path) = String::from_utf8(bytes).expect("is text").into();
            let changed = serde_json::to_vec(&changed).expect("is JSON");
            assert!(codec.decode::<Account>(&changed).is_err(), "{path} byte {at}");
        }
    }
}

#[test]
fn no_error_quotes_a_secret() {
    #[derive(Serialize, Deserialize)]
    struct Text {
        value: Secret<String>,
    }
    #[derive(Debug, Serialize, Deserialize)]
    struct Number {
        value: Secret<u32>,
    }
    impl Record for Text {
        const KIND: &'static str = "test.value";
        const VERSION: u32 = 1;
    }
    impl Record for Number {
        const KIND: &'static str = "test.value";
        const VERSION: u32 = 1;
    }
    let codec = codec();
    let bytes = codec.encode(&Text { value: Secret("hunter2".to_owned()) }).expect("encodes");
    let error = codec.decode::<Number>(&bytes).expect_err("is no number");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
}

#[test]
fn after_rotation_old_records_open_and_new_ones_use_the_new_key() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("keys/secrets.key");
    let open = || Codec::open(&path).expect("opens");
    let key_of = |bytes: &[u8]| {
        let value: serde_json::Value = serde_json::from_slice(bytes).expect("is JSON");
        value["secrets"]["key"].as_str().expect("is text").to_owned()
    };
    let old = open().encode(&account()).expect("encodes");
    assert_eq!(open().decode(&old), Ok(account()), "the file was kept");
    KeyRing::rotate(&path, &OsRandom).expect("rotates");
    let rotated = open();
    assert_eq!(rotated.decode(&old), Ok(account()));
    let new = rotated.encode(&account()).expect("encodes");
    assert_eq!(rotated.decode(&new), Ok(account()));
    assert_ne!(key_of(&old), key_of(&new));
}

#[test]
fn a_key_file_that_others_read_or_that_is_none_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("secrets.key");
    KeyRing::open_or_create(&path, &OsRandom).expect("makes");
    let chmod = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("changes");
    chmod(0o640);
    let error = KeyRing::open(&path).expect_err("is readable for others");
    assert!(matches!(error, KeyRingError::Exposed { mode: 0o640, .. }), "{error}");
    chmod(0o600);
    let write = |path: &Path, text: &str| std::fs::write(path, text).expect("writes");
    write(&path, "\n");
    assert!(matches!(KeyRing::open(&path), Err(KeyRingError::Empty { .. })));
    write(&path, &format!("a {}\nb 12\n", "0".repeat(64)));
    assert!(matches!(KeyRing::open(&path), Err(KeyRingError::Malformed { line: 2, .. })));
}
