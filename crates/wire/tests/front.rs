//! The whole path of a request: detection, identity, signatures, limits, answers.

#[path = "common/server.rs"]
mod server;

use bytes::Bytes;
use hearth_wire::Listener::{Outside, Sandbox};
use http::Request;
use server::{SECRET, Signing, form, front, request, send};

const FUNCTIONS: &str = "/2015-03-31/functions";
const CREATE: &str = r#"{"FunctionName":"f","Role":"arn:aws:iam::111111111111:role/r","Code":{"ZipFile":"UEs="}}"#;
const WHO: &str = "Action=GetCallerIdentity&Version=2011-06-15";
const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";

#[tokio::test]
async fn a_signed_request_is_decoded_run_and_answered() {
    let answer = send(&front(), Outside, Signing::known("lambda").sign(request("POST", FUNCTIONS, CREATE))).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["x-amzn-requestid"].len(), 36);
    assert_eq!(
        answer.body,
        r#"{"FunctionName":"f","CodeSize":2,"Version":"$LATEST","Role":"arn:aws:iam::111111111111:root"}"#
    );
}

#[tokio::test]
async fn no_content_has_no_body() {
    let answer = send(&front(), Outside, request("DELETE", "/2015-03-31/functions/f", "")).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert!(!answer.headers.contains_key("content-type"));
}

#[tokio::test]
async fn errors_carry_code_type_and_text_as_the_real_service_does() {
    let front = front();
    let answer = send(&front, Outside, request("POST", FUNCTIONS, &CREATE.replace("\"f\"", "\"taken\""))).await;
    assert_eq!(answer.status, 409);
    assert_eq!(answer.headers["x-amzn-errortype"], "ResourceConflictException");
    assert_eq!(answer.body, r#"{"Type":"User","message":"Function already exist: taken"}"#);
    let answer = send(&front, Outside, request("DELETE", "/2015-03-31/functions/unknown", "")).await;
    assert_eq!(answer.body, r#"{"Type":"User","Message":"Function not found: unknown"}"#);
    let answer = send(&front, Outside, request("POST", FUNCTIONS, r#"{"FunctionName":"f","Code":{}}"#)).await;
    assert_eq!((answer.status, answer.code()), (400, "ValidationException"));
    assert_eq!(
        answer.body,
        r#"{"message":"1 validation error detected: Value null at 'role' failed to satisfy constraint: Member must not be null"}"#
    );
}

#[tokio::test]
async fn malformed_json_tells_nothing_of_the_inside() {
    for (body, expected) in [
        ("{", "{}"),
        ("null", "{}"),
        (
            "",
            r#"{"message":"3 validation errors detected: Value null at 'functionName' failed to satisfy constraint: Member must not be null; Value null at 'role' failed to satisfy constraint: Member must not be null; Value null at 'code' failed to satisfy constraint: Member must not be null"}"#,
        ),
        ("[]", r#"{"message":"Start of list found where not expected"}"#),
        (r#"{"FunctionName":1}"#, r#"{"message":"NUMBER_VALUE can not be converted to a String"}"#),
        (r#"{"Timeout":"1"}"#, r#"{"message":"STRING_VALUE can not be converted to an Integer"}"#),
        (r#"{"Layers":"x"}"#, r#"{"message":"Expected list or null"}"#),
        (r#"{"Code":"x"}"#, r#"{"message":"Expected null"}"#),
        (r#"{"Code":{"ZipFile":{}}}"#, r#"{"message":"Start of structure or map found where not expected."}"#),
    ] {
        let answer = send(&front(), Outside, request("POST", FUNCTIONS, body)).await;
        assert_eq!((answer.status, answer.body.as_str()), (400, expected), "{body}");
    }
    let mut request = request("POST", FUNCTIONS, "");
    *request.body_mut() = Bytes::from_static(b"{\"FunctionName\":\"\xff\"}");
    assert_eq!(send(&front(), Outside, request).await.body, "{}");
}

#[tokio::test]
async fn unknown_and_unimplemented_operations_are_told_apart() {
    let front = front();
    let answer = send(&front, Outside, request("GET", "/nothing", "")).await;
    assert_eq!((answer.status, answer.code()), (404, "UnknownOperationException"));
    let answer = send(&front, Outside, request("GET", FUNCTIONS, "")).await;
    assert_eq!((answer.status, answer.code()), (501, "NotImplementedException"));
    assert_eq!(answer.body, r#"{"message":"Hearth does not implement lambda:ListFunctions yet."}"#);
    let answer = send(&front, Outside, form("Action=CreateUser&Version=2010-05-08&UserName=u")).await;
    assert_eq!(answer.status, 501);
    assert!(answer.body.contains("<Code>NotImplementedException</Code>"), "{}", answer.body);
    assert!(answer.body.contains("iam:CreateUser"));
    let answer = send(&front, Outside, form("Action=Foo&Version=2011-06-15")).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("<Type>Sender</Type><Code>InvalidAction</Code><Message>Could not find operation Foo for version 2011-06-15</Message>"), "{}", answer.body);
    let answer = send(&front, Outside, Signing::known("sts").sign(form("Version=2011-06-15"))).await;
    assert!(answer.body.contains("<Code>MissingAction</Code>"), "{}", answer.body);
    let answer = send(&front, Outside, Signing::known("sns").sign(form("Action=ListTopics&Version=2010-03-31"))).await;
    assert_eq!(answer.status, 501);
    assert!(answer.body.contains("Hearth does not serve sns yet."), "{}", answer.body);
    // Clients of S3 read nothing but XML.
    let answer = send(&front, Outside, Signing::known("s3").sign(request("GET", "/", ""))).await;
    assert_eq!(answer.status, 501);
    assert!(answer.body.contains("<Message>Hearth does not serve s3 yet.</Message>"), "{}", answer.body);
}

#[tokio::test]
async fn query_answers_are_wrapped_and_carry_the_request_id() {
    for request in [Signing::known("sts").sign(form(WHO)), form(WHO), request("GET", &format!("/?{WHO}"), "")] {
        let signed = request.headers().contains_key("authorization");
        let answer = send(&front(), Outside, request).await;
        let id = answer.headers["x-amzn-requestid"].to_str().expect("an id");
        let account = if signed { "111111111111" } else { "000000000000" };
        assert_eq!(answer.headers["content-type"], "text/xml");
        assert_eq!(
            answer.body,
            format!(
                "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
                 <UserId>{account}</UserId><Account>{account}</Account><Arn>arn:aws:iam::{account}:root</Arn>\
                 </GetCallerIdentityResult><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
            )
        );
    }
}

#[tokio::test]
async fn raw_handlers_get_the_request_as_it_came() {
    let target = "/2015-03-31/functions/my%3Afn/invocations?Qualifier=a%20b";
    let mut request = request("POST", target, "{not json}");
    // What curl calls any body.
    request.headers_mut().insert("content-type", "application/x-www-form-urlencoded".parse().expect("a type"));
    let answer =
        send(&front(), Outside, Signing { region: "ap-south-1", ..Signing::known("lambda") }.sign(request)).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "{not json}"));
    assert_eq!(answer.headers["x-name"], "my:fn");
    assert_eq!(answer.headers["x-query"], r#"[("Qualifier", "a b")]"#);
    assert_eq!(answer.headers["x-account"], "111111111111");
    assert_eq!(answer.headers["x-region"], "ap-south-1");
    assert_eq!(answer.headers["x-host"], server::HOST);
}

#[tokio::test]
async fn in_open_mode_unknown_keys_choose_their_account() {
    let front = front();
    for (key, account) in [("test", "000000000000"), ("222222222222", "222222222222")] {
        let signing = Signing { key, secret: "whatever", ..Signing::known("lambda") };
        let answer =
            send(&front, Outside, signing.sign(request("POST", "/2015-03-31/functions/f/invocations", "x"))).await;
        assert_eq!(answer.headers["x-account"], account);
    }
    let answer = send(&front, Outside, request("POST", "/2015-03-31/functions/f/invocations", "x")).await;
    assert_eq!(answer.headers["x-account"], "000000000000");
    assert_eq!(answer.headers["x-region"], "us-east-1");
}

/// Status, code and text of an answer.
async fn refusal(listener: hearth_wire::Listener, request: Request<Bytes>) -> (u16, String, String) {
    let answer = send(&front(), listener, request).await;
    let between = |start: &str, end: &str| {
        answer.body.split_once(start).and_then(|(_, rest)| rest.split_once(end)).map_or("", |(text, _)| text).to_owned()
    };
    match answer.headers.get("x-amzn-errortype") {
        Some(code) => (answer.status, code.to_str().expect("text").to_owned(), between("\"message\":\"", "\"}")),
        None => (answer.status, between("<Code>", "</Code>"), between("<Message>", "</Message>")),
    }
}

fn refused(status: u16, code: &str, text: &str) -> (u16, String, String) {
    (status, code.to_owned(), text.to_owned())
}

#[tokio::test]
async fn a_known_key_must_sign_rightly_on_every_listener() {
    for listener in [Outside, Sandbox] {
        let wrong = Signing { secret: "wrong", ..Signing::known("lambda") };
        let answer = refusal(listener, wrong.sign(request("POST", FUNCTIONS, CREATE))).await;
        assert_eq!(answer, refused(403, "InvalidSignatureException", MISMATCH));
        let wrong = Signing { secret: "wrong", ..Signing::known("sts") };
        assert_eq!(refusal(listener, wrong.sign(form(WHO))).await, refused(403, "SignatureDoesNotMatch", MISMATCH));
        let mut changed = Signing::known("lambda").sign(request("POST", FUNCTIONS, CREATE));
        *changed.body_mut() = Bytes::from(CREATE.replace("\"f\"", "\"g\""));
        assert_eq!(refusal(listener, changed).await.1, "InvalidSignatureException");
    }
}

#[tokio::test]
async fn the_claimed_hash_of_the_body_must_be_right() {
    let claim = |hash: &str| {
        let mut request = request("POST", FUNCTIONS, CREATE);
        request.headers_mut().insert("x-amz-content-sha256", hash.parse().expect("a header"));
        request
    };
    let wrong = "0".repeat(64);
    let signed = Signing::known("lambda").sign(claim(&wrong));
    assert_eq!(refusal(Outside, signed).await.1, "InvalidSignatureException");
    assert_eq!(refusal(Outside, claim("nonsense")).await.1, "InvalidRequestException");
}

#[tokio::test]
async fn each_operation_has_its_own_limit() {
    let front = front();
    let fits = send(&front, Outside, request("POST", "/2015-03-31/functions/f/invocations", &"x".repeat(1_000))).await;
    assert_eq!(fits.status, 200);
    let answer =
        send(&front, Outside, request("POST", "/2015-03-31/functions/f/invocations", &"x".repeat(1_001))).await;
    assert_eq!((answer.status, answer.code()), (413, "RequestEntityTooLargeException"));
    assert_eq!(
        answer.body,
        r#"{"message":"Request must be smaller than 1000 bytes for the InvokeFunction operation"}"#
    );
    let answer = send(&front, Outside, request("POST", FUNCTIONS, &"x".repeat(2_000_001))).await;
    assert_eq!(
        answer.body,
        r#"{"message":"Request must be smaller than 2000000 bytes for the CreateFunction operation"}"#
    );
    let answer = send(&front, Outside, form(&format!("{WHO}&x={}", "x".repeat(1_000)))).await;
    assert!(
        answer.body.contains("Request must be smaller than 1000 bytes for the GetCallerIdentity operation"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn chunked_bodies_arrive_whole_and_checked() {
    let chunked = |checksum: &str| {
        let body = format!("5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:{checksum}\r\n\r\n");
        let mut request = request("POST", "/2015-03-31/functions/f/invocations", &body);
        let headers = request.headers_mut();
        headers.insert("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER".parse().expect("a header"));
        headers.insert("x-amz-decoded-content-length", "11".parse().expect("a header"));
        headers.insert("x-amz-trailer", "x-amz-checksum-crc32".parse().expect("a header"));
        request
    };
    // CRC-32 of "hello world" is 0d4a1185.
    assert_eq!(send(&front(), Outside, chunked("DUoRhQ==")).await.body, "hello world");
    assert_eq!(refusal(Outside, chunked("AAAAAA==")).await.1, "BadDigest");
}

#[tokio::test]
async fn a_key_is_derived_anew_for_every_scope() {
    let front = front();
    for region in ["eu-west-1", "us-east-1", "eu-west-1"] {
        let signing = Signing { region, secret: SECRET, ..Signing::known("lambda") };
        assert_eq!(send(&front, Sandbox, signing.sign(request("POST", FUNCTIONS, CREATE))).await.status, 201);
    }
}

#[tokio::test]
async fn an_output_the_model_does_not_have_is_an_internal_failure_without_detail() {
    let body =
        CREATE.replace('{', r#"{"Tags":{"unfit":"x"},"#).replace(r#"{"Tags":{"unfit":"x"},"ZipFile"#, r#"{"ZipFile"#);
    let answer = send(&front(), Outside, request("POST", FUNCTIONS, &body)).await;
    assert_eq!((answer.status, answer.code()), (500, "InternalFailure"), "{}", answer.body);
    assert!(!answer.body.contains("TagsSeen"), "{}", answer.body);
}

#[tokio::test]
async fn a_request_can_be_answered_on_any_thread() {
    let front = std::sync::Arc::new(front());
    let task = tokio::spawn(async move { send(&front, Outside, form(WHO)).await.status });
    assert_eq!(task.await.expect("joins"), 200);
}

#[tokio::test]
async fn an_operation_that_has_begun_ends_though_its_client_hangs_up() {
    let front = front();
    let done = server::DELETED.load(std::sync::atomic::Ordering::SeqCst);
    let mut request = Box::pin(send(&front, Outside, request("DELETE", "/2015-03-31/functions/slow", "")));
    tokio::select! {
        biased;
        _ = &mut request => panic!("it waits"),
        () = tokio::time::sleep(std::time::Duration::from_millis(10)) => {}
    }
    drop(request);
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(server::DELETED.load(std::sync::atomic::Ordering::SeqCst), done + 1);
}

#[tokio::test]
async fn a_panic_is_one_failed_request() {
    let answer = send(&front(), Outside, request("DELETE", "/2015-03-31/functions/panic", "")).await;
    assert_eq!((answer.status, answer.code()), (500, "InternalFailure"));
}

#[tokio::test]
async fn a_large_body_is_decoded_too() {
    use base64::Engine as _;
    let zip = base64::engine::general_purpose::STANDARD.encode(vec![7; 900_000]);
    let body = CREATE.replace("UEs=", &zip);
    let answer = send(&front(), Outside, Signing::known("lambda").sign(request("POST", FUNCTIONS, &body))).await;
    assert!(answer.body.contains("\"CodeSize\":900000"), "{} {}", answer.status, answer.body);
}
