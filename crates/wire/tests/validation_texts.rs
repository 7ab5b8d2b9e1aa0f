//! The generic validation, against texts recorded from the real services. Every expected text below is a recording
//! with its volatile parts filled in.

use hearth_wire::model::{Model, OperationId};
use hearth_wire::protocol::Incoming;
use hearth_wire::validate::{Exemptions, validate};
use hearth_wire::{ErrorAnswer, Value, models};
use serde_json::{Value as Json, json};

fn checked(model: &Model, name: &str, input: &Value) -> Result<(), ErrorAnswer> {
    let operation: OperationId = model.operation_id(name).expect("an operation");
    validate(model, operation, &Exemptions::default(), input)
}

/// Text for a Lambda input, members by their model names.
fn lambda(operation: &str, input: Json) -> String {
    match checked(&models::lambda(), operation, &value(input)) {
        Ok(()) => "valid".to_owned(),
        Err(error) => {
            assert_eq!((error.code.as_ref(), error.status.as_u16(), error.fault), ("ValidationException", 400, None));
            error.message
        }
    }
}

fn value(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(flag),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Value::Float(number.as_f64().expect("a number")), Value::Int)
        }
        Json::String(text) => Value::String(text),
        Json::Array(items) => Value::List(items.into_iter().map(value).collect()),
        Json::Object(members) => Value::Map(members.into_iter().map(|(name, json)| (name, value(json))).collect()),
    }
}

fn one(text: &str) -> String {
    format!("1 validation error detected: {text}")
}

const ROLE: &str = "arn:aws:iam::111111111111:role/r";

fn create(mut with: Json) -> Json {
    let base = json!({"FunctionName": "f", "Role": ROLE, "Code": {}});
    let members = with.as_object_mut().expect("an object");
    for (name, json) in base.as_object().expect("an object") {
        members.entry(name.clone()).or_insert_with(|| json.clone());
    }
    with
}

#[test]
fn what_is_right_passes() {
    assert_eq!(lambda("CreateFunction", create(json!({"Architectures": ["arm64"], "Timeout": 900}))), "valid");
}

#[test]
fn patterns() {
    assert_eq!(
        lambda("CreateFunction", create(json!({"Role": "r1"}))),
        one(
            r"Value 'r1' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"
        )
    );
    assert_eq!(
        lambda("CreateFunction", create(json!({"FunctionName": "invalid:function:name"}))),
        one(
            r"Value 'invalid:function:name' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?"
        )
    );
    assert_eq!(
        lambda("GetFunction", json!({"FunctionName": "arn:aws:lambda:us-east-1:123400000000@function:myfn"})),
        one(
            r"Value 'arn:aws:lambda:us-east-1:123400000000@function:myfn' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
        )
    );
    assert_eq!(
        lambda("GetFunction", json!({"FunctionName": "f", "Qualifier": "invalid-qualifier-with-?-char"})),
        one(
            r"Value 'invalid-qualifier-with-?-char' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: \$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"
        )
    );
    assert_eq!(
        lambda("CreateAlias", json!({"FunctionName": "f", "Name": "2024", "FunctionVersion": "1"})),
        one(
            "Value '2024' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)"
        )
    );
    assert_eq!(
        lambda(
            "AddPermission",
            json!({"FunctionName": "f", "StatementId": "example.com", "Action": "lambda:InvokeFunction", "Principal": "p"})
        ),
        one(
            "Value 'example.com' at 'statementId' failed to satisfy constraint: Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)"
        )
    );
    for qualifier in ["1", "2", "$LATEST"] {
        assert_eq!(
            lambda("CreateFunctionUrlConfig", json!({"FunctionName": "f", "AuthType": "NONE", "Qualifier": qualifier})),
            one(&format!(
                r"Value '{qualifier}' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: ((?!^\d+$)^[0-9a-zA-Z-_]+$)"
            ))
        );
    }
    assert_eq!(
        lambda("GetLayerVersionByArn", json!({"Arn": "arn:aws:lambda:us-east-1:111111111111:layer:l"})),
        one(
            r"Value 'arn:aws:lambda:us-east-1:111111111111:layer:l' at 'arn' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)"
        )
    );
    assert_eq!(
        lambda(
            "AddLayerVersionPermission",
            json!({"LayerName": "l", "VersionNumber": 1, "StatementId": "s", "Action": "*", "Principal": "*"})
        ),
        one(
            "Value '*' at 'action' failed to satisfy constraint: Member must satisfy regular expression pattern: lambda:GetLayerVersion"
        )
    );
    assert_eq!(
        lambda(
            "PutFunctionEventInvokeConfig",
            json!({"FunctionName": "f", "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:_-/!lambda:us-east-1:111111111111:function:f"}}})
        ),
        one(
            r"Value 'arn:aws:_-/!lambda:us-east-1:111111111111:function:f' at 'destinationConfig.onFailure.destination' failed to satisfy constraint: Member must satisfy regular expression pattern: $|kafka://([^.]([a-zA-Z0-9\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)"
        )
    );
}

#[test]
fn lengths_and_values() {
    let arn = format!("arn:aws:lambda:us-east-1:111111111111:function:{}", "a".repeat(100));
    assert_eq!(
        lambda("CreateFunction", create(json!({"FunctionName": arn}))),
        one(&format!(
            "Value '{arn}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 140"
        ))
    );
    assert_eq!(
        lambda("CreateFunction", create(json!({"Architectures": ["x86_64", "arm64"]}))),
        one(
            "Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: Member must have length less than or equal to 1"
        )
    );
    assert_eq!(
        lambda(
            "PutProvisionedConcurrencyConfig",
            json!({"FunctionName": "f", "Qualifier": "1", "ProvisionedConcurrentExecutions": 0})
        ),
        one(
            "Value '0' at 'provisionedConcurrentExecutions' failed to satisfy constraint: Member must have value greater than or equal to 1"
        )
    );
}

#[test]
fn enumerations() {
    assert_eq!(
        lambda("ListFunctions", json!({"FunctionVersion": "invalid"})),
        one(
            "Value 'invalid' at 'functionVersion' failed to satisfy constraint: Member must satisfy enum value set: [ALL]"
        )
    );
    assert_eq!(
        lambda("CreateEventSourceMapping", json!({"FunctionName": "f", "StartingPosition": "invalid"})),
        one(
            "Value 'invalid' at 'startingPosition' failed to satisfy constraint: Member must satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]"
        )
    );
    assert_eq!(
        lambda("CreateFunctionUrlConfig", json!({"FunctionName": "f", "AuthType": "NONE", "InvokeMode": "UNKNOWN"})),
        one(
            "Value 'UNKNOWN' at 'invokeMode' failed to satisfy constraint: Member must satisfy enum value set: [RESPONSE_STREAM, BUFFERED]"
        )
    );
    assert_eq!(
        lambda("PutFunctionRecursionConfig", json!({"FunctionName": "f", "RecursiveLoop": "InvalidValue"})),
        one(
            "Value 'InvalidValue' at 'recursiveLoop' failed to satisfy constraint: Member must satisfy enum value set: [Terminate, Allow]"
        )
    );
    assert_eq!(
        lambda("CreateFunction", create(json!({"SnapStart": {"ApplyOn": "invalidOption"}}))),
        one(
            "Value 'invalidOption' at 'snapStart.applyOn' failed to satisfy constraint: Member must satisfy enum value set: [PublishedVersions, None]"
        )
    );
    assert_eq!(
        lambda("ListLayers", json!({"CompatibleArchitecture": "archdoesnotexist"})),
        one(
            "Value 'archdoesnotexist' at 'compatibleArchitecture' failed to satisfy constraint: Member must satisfy enum value set: [x86_64, arm64]"
        )
    );
}

#[test]
fn elements_of_lists() {
    assert_eq!(
        lambda("CreateFunction", create(json!({"Architectures": ["X86_64"]}))),
        one(
            "Value '[X86_64]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]"
        )
    );
    assert_eq!(
        lambda("CreateFunction", create(json!({"Layers": ["arn:aws:lambda:us-east-1:111111111111:layer:l"]}))),
        one(
            r"Value '[arn:aws:lambda:us-east-1:111111111111:layer:l]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 2048, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+), Member must not be null]"
        )
    );
    assert_eq!(
        lambda("CreateFunction", create(json!({"VpcConfig": {"SubnetIds": ["s"]}}))),
        one(
            "Value '[s]' at 'vpcConfig.subnetIds' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 0, Member must satisfy regular expression pattern: subnet-[0-9a-z]*]"
        )
    );
    assert_eq!(
        lambda("CreateFunction", create(json!({"VpcConfig": {"SecurityGroupIds": ["s"]}}))),
        one(
            "Value '[s]' at 'vpcConfig.securityGroupIds' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 0, Member must satisfy regular expression pattern: sg-[0-9a-zA-Z]*]"
        )
    );
}

#[test]
fn keys_and_values_of_maps() {
    let alias = |weights: Json| {
        lambda(
            "CreateAlias",
            json!({"FunctionName": "f", "Name": "a", "FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": weights}}),
        )
    };
    for (weights, shown) in [(json!({"2": 2.0}), "{2=2.0}"), (json!({"2": -1.0}), "{2=-1.0}")] {
        assert_eq!(
            alias(weights),
            one(&format!(
                "Value '{shown}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]"
            ))
        );
    }
    assert_eq!(
        alias(json!({"$LATEST": 0.5})),
        one(
            "Value '{$LATEST=0.5}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]"
        )
    );
    // Names of variables are secret: the value is not shown.
    assert_eq!(
        lambda("CreateFunction", create(json!({"Environment": {"Variables": {"a": "b"}}}))),
        one(
            "Value at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]"
        )
    );
}

#[test]
fn missing_members_and_several_violations() {
    assert_eq!(
        lambda("UntagResource", json!({"Resource": "arn:aws:lambda:us-east-1:111111111111:function:f"})),
        one("Value null at 'tagKeys' failed to satisfy constraint: Member must not be null")
    );
    assert_eq!(
        lambda("CreateFunction", json!({"FunctionName": "f"})),
        "2 validation errors detected: Value null at 'role' failed to satisfy constraint: Member must not be null; \
         Value null at 'code' failed to satisfy constraint: Member must not be null"
    );
}

#[test]
fn an_exempt_member_is_left_to_its_service() {
    let model = models::lambda();
    let operation = model.operation_id("CreateFunction").expect("an operation");
    let mut exemptions = Exemptions::default();
    exemptions.add("Runtime");
    exemptions.add("VpcConfig.SubnetIds");
    let input = value(create(json!({"Runtime": "cobol", "VpcConfig": {"SubnetIds": ["s"]}})));
    assert_eq!(validate(&model, operation, &exemptions, &input), Ok(()));
    let input = value(create(json!({"VpcConfig": {"SecurityGroupIds": ["s"]}})));
    assert!(validate(&model, operation, &exemptions, &input).is_err());
}

#[test]
fn a_hostile_list_does_not_get_an_endless_answer() {
    let tags: Vec<Json> = (0..10_000).map(|_| json!({"Key": "", "Value": "v"})).collect();
    let error =
        checked(&models::sts(), "AssumeRole", &value(json!({"RoleArn": ROLE, "RoleSessionName": "ss", "Tags": tags})))
            .expect_err("bad tags");
    // 50 tags at most; then each key's pattern and length, up to the limit of one answer.
    assert!(
        error
            .message
            .contains("at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50")
    );
    assert!(error.message.contains("Value '' at 'tags.1.member.key' failed to satisfy constraint: Member must have length greater than or equal to 1"));
    assert!(!error.message.contains("tags.101.member"));
}

#[test]
fn query_services_have_their_own_code_and_the_same_texts() {
    let model = models::sts();
    let operation = model.operation_id("AssumeRole").expect("an operation");
    let body = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A111111111111%3Arole%2Fr&RoleSessionName=Session1%3A2";
    let request = Incoming { body: body.into(), ..Incoming::default() };
    let input = model.protocol().decode(&model, operation, &request).expect("a form");
    let error = checked(&model, "AssumeRole", &input).expect_err("a bad name");
    assert_eq!(error.code, "ValidationError");
    assert_eq!(
        error.message,
        one(
            r"Value 'Session1:2' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*"
        )
    );
}
