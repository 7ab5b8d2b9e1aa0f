//! Arbitrary input never panics, and whatever AWS's own library signs verifies.

#[path = "common/server.rs"]
mod server;

use bytes::Bytes;
use hearth_wire::model::Model;
use hearth_wire::protocol::Incoming;
use hearth_wire::router::Router;
use hearth_wire::sigv4::{Authorization, SigningKey, chunked};
use hearth_wire::validate::{Exemptions, validate};
use hearth_wire::{Listener, Timestamp, TimestampFormat, models};
use http::{HeaderMap, HeaderValue, Request};
use proptest::prelude::*;
use server::{HOST, NOW_MS, SECRET, Signing};
use sha2::{Digest, Sha256};

/// Decodes and validates; any answer is right, a panic is not.
fn exercise(model: &Model, incoming: &Incoming) {
    for (id, _) in model.operations() {
        if let Ok(value) = model.protocol().decode(model, id, incoming) {
            let _ = validate(model, id, &Exemptions::default(), &value);
        }
    }
}

/// JSON-like text over the names of a real model, so that decoding gets past the first brace.
fn json_like() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        any::<f64>().prop_map(|number| format!("{number:e}")),
        any::<i64>().prop_map(|number| number.to_string()),
        "\\PC{0,12}".prop_map(|text| serde_json::Value::from(text).to_string()),
    ];
    let name = prop_oneof![
        Just("FunctionName"),
        Just("Environment"),
        Just("Variables"),
        Just("Code"),
        Just("ZipFile"),
        Just("Layers"),
        Just("Timeout"),
        Just("VpcConfig"),
        Just("SubnetIds"),
        Just("Tags"),
    ];
    scalar.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((name.clone(), inner), 0..6).prop_map(|members| {
                let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn head(target: &str, headers: HeaderMap) -> Option<http::request::Parts> {
    let mut request = Request::builder().method("POST").uri(target).body(()).ok()?;
    *request.headers_mut() = headers;
    Some(request.into_parts().0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn json_bodies_never_panic(body in json_like()) {
        exercise(&models::lambda(), &Incoming { body: body.into(), ..Incoming::default() });
    }

    #[test]
    fn bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..512), query in "\\PC{0,64}") {
        let incoming = Incoming { body: body.into(), query: Some(query), ..Incoming::default() };
        exercise(&models::lambda(), &incoming);
        exercise(&models::sts(), &incoming);
    }

    #[test]
    fn forms_never_panic(names in prop::collection::vec("(PolicyArns|Tags|RoleArn|DurationSeconds)(\\.(member|entry|[0-9]{1,12}|Key|Value|arn)){0,5}=[a-z0-9%+-]{0,8}", 0..24)) {
        exercise(&models::sts(), &Incoming { body: names.join("&").into(), ..Incoming::default() });
    }

    #[test]
    fn headers_never_panic(values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 8)) {
        let names = ["authorization", "x-amz-date", "date", "x-amz-content-sha256", "x-amz-security-token", "host", "x-amz-target", "x-amz-invocation-type"];
        let mut headers = HeaderMap::new();
        for (name, value) in names.iter().zip(values) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.insert(*name, value);
            }
        }
        if let Some(head) = head("/", headers) {
            let _ = Authorization::parse(&head);
            exercise(&models::lambda(), &Incoming { headers: head.headers, ..Incoming::default() });
        }
    }

    #[test]
    fn authorization_texts_never_panic(text in "AWS4-HMAC-SHA256 (Credential=[a-zA-Z0-9/_]{0,60}|SignedHeaders=[a-z;-]{0,30}|Signature=[a-f0-9]{0,70}|[, =]){0,8}", date in "[0-9TZ]{0,20}") {
        let mut headers = HeaderMap::new();
        for (name, text) in [("authorization", &text), ("x-amz-date", &date)] {
            headers.insert(name, text.parse().expect("a header"));
        }
        let _ = Authorization::parse(&head("/", headers).expect("a head"));
    }

    #[test]
    fn targets_never_panic(target in "/[!-~]{0,80}(\\?X-Amz-Signature=[!-~]{0,60})?") {
        if let Some(head) = head(&target, HeaderMap::new()) {
            let _ = Authorization::parse(&head);
            let _ = Router::new(&models::lambda()).route(&head.method, head.uri.path(), head.uri.query());
        }
    }

    #[test]
    fn chunked_bodies_never_panic(body in "([0-9a-f]{0,4}(;chunk-signature=[a-f0-9]{0,64})?\r\n|[a-z]{0,16}\r\n|x-amz-checksum-crc32:[A-Za-z=]{0,8}\r\n){0,8}") {
        for mode in ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"] {
            let mode = chunked::Mode::parse(mode).expect("a mode");
            let _ = chunked::decode(&Bytes::from(body.clone()), mode, None, None, None);
        }
    }

    #[test]
    fn models_and_times_never_panic(text in "\\PC{0,64}") {
        prop_assert!(Model::parse(&text).is_err());
        for format in [TimestampFormat::EpochSeconds, TimestampFormat::DateTime, TimestampFormat::HttpDate] {
            let _ = Timestamp::parse(&text, format);
        }
    }

    #[test]
    fn whatever_aws_signs_verifies(
        segments in prop::collection::vec("[a-zA-Z0-9:@$_.~!*'()-]{1,10}", 0..4),
        encoded in "(%[2-7][0-9A-F]){0,4}",
        query in prop::collection::vec(("[a-zA-Z0-9-]{1,8}", "[a-zA-Z0-9_.~-]{0,8}(%20|%2F|%3D|%E2%82%AC)?"), 0..4),
        header in "[!-~]{0,10}( {1,3}[!-~]{1,10}){0,2}",
        body in prop::collection::vec(any::<u8>(), 0..64),
        service in prop_oneof![Just("lambda"), Just("s3")],
        presigned in any::<bool>(),
    ) {
        let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let mut path = segments.join("/");
        if service == "s3" {
            // Its clients encode whatever is reserved before they sign the path as it is.
            for c in [':', '@', '$', '!', '*', '\'', '(', ')'] {
                path = path.replace(c, &format!("%{:02X}", u32::from(c)));
            }
        }
        let target = format!("/{path}{}{mark}{}", if service == "s3" { "" } else { &encoded }, query.join("&"));
        let request = Request::builder()
            .method("PUT")
            .uri(&target)
            .header("host", HOST)
            .header("x-amz-meta-note", header)
            .body(Bytes::from(body))
            .expect("a request");
        let signing = Signing { presigned_seconds: presigned.then_some(60), ..Signing::known(service) };
        let (head, body) = signing.sign(request).into_parts();
        let mut authorization = Authorization::parse(&head).expect("whole").expect("signed");
        if service == "s3" && presigned {
            // The library signs the body here; S3 itself takes a presigned body unsigned.
            authorization.payload = hearth_wire::sigv4::Payload::Hash(None);
        }
        let key = SigningKey::derive(SECRET, &authorization.credential);
        prop_assert_eq!(authorization.check(&head, &key, Some(Sha256::digest(&body).into())), Ok(()), "{}", target);
        prop_assert_eq!(authorization.check_time(NOW_MS), Ok(()));
        let other = SigningKey::derive("another", &authorization.credential);
        prop_assert!(authorization.check(&head, &other, Some(Sha256::digest(&body).into())).is_err());
    }
}

#[tokio::test]
async fn the_front_answers_everything() {
    let front = server::front();
    for target in ["/", "/2015-03-31/functions", "/%ff%00", "/?Action=%ff&Version=", "/a?X-Amz-Credential=x", "*"] {
        for content_type in ["application/x-www-form-urlencoded", "application/json", "\u{1}"] {
            for body in [&b""[..], b"\xff\xfe", b"{", b"Action=A&Version=2011-06-15&A.member.1.member.1=x"] {
                let Ok(uri) = target.parse::<http::Uri>() else { continue };
                let mut request = Request::new(Bytes::from_static(body));
                *request.method_mut() = http::Method::POST;
                *request.uri_mut() = uri;
                if let Ok(value) = HeaderValue::from_str(content_type) {
                    request.headers_mut().insert("content-type", value);
                }
                let answer = server::send(&front, Listener::Outside, request).await;
                assert!((400..=501).contains(&answer.status), "{target} {}", answer.status);
                assert!(answer.headers.contains_key("x-amzn-requestid"));
            }
        }
    }
}
