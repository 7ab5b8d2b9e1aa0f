"""Every operation of Lambda, with the model of today: an answer has the members of the model and no other, and its status.
All members of the model come, but for those in `ABSENT`."""

import contextlib
import json

import pytest

from support import aws, packages
from support.aws import ACCOUNT, REGION
from support.paths import TOOLS

#: The model's success status is not the service's: DeleteFunction answers 204.
STATUSES = {"DeleteFunction": 204}

#: Members that no answer here has, by what they are about: refused, of images (test_images.py), said of failures only, or
#: further pages of lists that are empty.
ABSENT = {
    "code from S3": {
        "FunctionCodeLocation": ["ResolvedS3Object", "SourceKMSKeyArn"], "LayerVersionContentOutput": ["ResolvedS3Object"],
    },
    "code signing": {
        "FunctionConfiguration": ["SigningJobArn", "SigningProfileVersionArn"],
        "GetFunctionCodeSigningConfigResponse": ["CodeSigningConfigArn", "FunctionName"],
        "Layer": ["SigningJobArn", "SigningProfileVersionArn"],
        "LayerVersionContentOutput": ["SigningJobArn", "SigningProfileVersionArn"],
        "ListCodeSigningConfigsResponse": ["NextMarker"],
    },
    "capacity providers": {
        "FunctionConfiguration": ["AcceleratorConfig", "CapacityProviderConfig"],
        "GetFunctionScalingConfigResponse": ["AppliedFunctionScalingConfig", "RequestedFunctionScalingConfig"],
        "ListCapacityProvidersResponse": ["NextMarker"],
    },
    "durable functions": {
        "FunctionConfiguration": ["DurableConfig"], "ListDurableExecutionsByFunctionResponse": ["NextMarker"],
    },
    "other services": {"FunctionConfiguration": ["FileSystemConfigs", "KMSKeyArn", "MasterArn", "VpcConfig"]},
    "kinds of functions": {"FunctionConfiguration": ["RuntimeConfig", "TenancyConfig"]},
    "images": {
        "FunctionCodeLocation": ["ImageUri", "ResolvedImageUri"], "FunctionConfiguration": ["ImageConfigResponse"],
    },
    # Not in any answer that was recorded.
    "a hash that nothing explains": {"FunctionConfiguration": ["ConfigSha256"]},
    "failures": {
        "EnvironmentResponse": ["Error"], "FunctionCodeLocation": ["Error"], "GetFunctionResponse": ["TagsError"],
        "RuntimeVersionConfig": ["Error"],
        "GetProvisionedConcurrencyConfigResponse": ["StatusReason"],
        "ProvisionedConcurrencyConfigListItem": ["StatusReason"],
        "PutProvisionedConcurrencyConfigResponse": ["StatusReason"],
    },
    "a runtime that is kept": {
        "GetRuntimeManagementConfigResponse": ["RuntimeVersionArn"],
        "PutRuntimeManagementConfigResponse": ["RuntimeVersionArn"],
    },
    "sources other than queues": {"EventSourceMappingConfiguration": [
        "AmazonManagedKafkaEventSourceConfig", "BisectBatchOnFunctionError", "DestinationConfig",
        "DocumentDBEventSourceConfig", "FilterCriteriaError", "KMSKeyArn", "LastProcessingResult", "LoggingConfig",
        "MaximumRecordAgeInSeconds", "MaximumRetryAttempts", "ParallelizationFactor",
        "ProvisionedPollerConfig", "Queues", "SelfManagedEventSource", "SelfManagedKafkaEventSourceConfig",
        "SourceAccessConfigurations", "StartingPosition", "StartingPositionTimestamp", "Topics", "TumblingWindowInSeconds"]},
}

CONFIG = f"arn:aws:lambda:{REGION}:{ACCOUNT}:code-signing-config:csc-0123456789abcdef0"


class Seen:
    """What came, and whether it fits the model."""

    def __init__(self):
        self.operations = set()
        self.members = {}
        self.shapes = {}

    def take(self, http_response, model, **_):
        self.operations.add(model.name)
        if http_response.status_code >= 300:
            return
        status = STATUSES.get(model.name, model.http.get("responseCode", 200))
        assert http_response.status_code == status, model.name
        shape = model.output_shape
        if shape is None or shape.serialization.get("payload") or model.has_event_stream_output:
            return
        body = json.loads(http_response.content or b"{}")
        located = {m for m, s in shape.members.items() if s.serialization.get("location")}
        self.walk(model.name, body, shape, located)

    def walk(self, where, value, shape, located=frozenset()):
        if shape.type_name == "structure":
            members = {s.serialization.get("name", m): s for m, s in shape.members.items() if m not in located}
            assert isinstance(value, dict) and set(value) <= set(members), (where, set(value) - set(members))
            if members:
                self.shapes[shape.name] = set(members)
                self.members.setdefault(shape.name, set()).update(value)
            for member, inner in value.items():
                self.walk(f"{where}.{member}", inner, members[member])
        elif shape.type_name == "list":
            assert isinstance(value, list), where
            for inner in value:
                self.walk(where, inner, shape.member)
        elif shape.type_name == "map":
            assert isinstance(value, dict), where
            for inner in value.values():
                self.walk(where, inner, shape.value)
        else:
            wanted = {"string": str, "boolean": bool, "integer": int, "long": int, "double": (int, float),
                      "timestamp": (int, float, str), "blob": str}[shape.type_name]
            assert isinstance(value, wanted), (where, value)


@pytest.fixture
def lambda_of_today(server, monkeypatch):
    """A client of the newest model, which the installed boto3 may not have."""
    from botocore.config import Config
    from botocore.session import Session

    model = packages.needs(TOOLS / "botocore-1.44.5", "botocore 1.44.5") / "botocore" / "data"
    session = Session()
    session.get_component("data_loader").search_paths.insert(0, str(model))
    return session.create_client(
        "lambda", region_name=REGION, endpoint_url=server.url, aws_access_key_id="test", aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=60))


@contextlib.contextmanager
def refused(client, what, *codes):
    try:
        yield
    except client.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] in codes, error
    else:
        pytest.fail(f"{what} is not refused")


def test_every_operation_answers_in_the_shape_of_the_model(server, lambda_of_today):
    client, seen = lambda_of_today, Seen()
    client.meta.events.register("after-call.lambda.*", lambda http_response, model, **_: seen.take(http_response, model))
    sqs = aws.client(server.url, "sqs")
    name = aws.function_name("shapes")
    with contextlib.ExitStack() as stack:
        later = lambda call, **arguments: stack.callback(lambda: call(**arguments))
        queue = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
        later(sqs.delete_queue, QueueUrl=queue)
        queue_arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        layers(client, name, later)
        functions(client, name, queue_arn, later)
        around(client, name, queue_arn, later)
        invocations(client, name)
        refusals(client, name)
        client.delete_function(FunctionName=name)
    assert seen.operations == set(client.meta.service_model.operation_names)
    absent = {(shape, member) for shape, members in seen.shapes.items() for member in members - seen.members[shape]}
    assert absent == {(shape, m) for about in ABSENT.values() for shape, members in about.items() for m in members}


def layers(client, name, later):
    content = {"ZipFile": packages.zip_of({"a.txt": "a"})}
    client.publish_layer_version(
        LayerName=name, Content=content, Description="d", LicenseInfo="MIT", CompatibleRuntimes=["python3.11"],
        CompatibleArchitectures=["x86_64"])
    client.publish_layer_version(LayerName=name, Content=content)
    later(client.delete_layer_version, LayerName=name, VersionNumber=1)
    of = {"LayerName": name, "VersionNumber": 1}
    arn = client.get_layer_version(**of)["LayerVersionArn"]
    client.get_layer_version_by_arn(Arn=arn)
    client.publish_layer_version(LayerName=f"{name}-2", Content=content)
    later(client.delete_layer_version, LayerName=f"{name}-2", VersionNumber=1)
    client.list_layers(MaxItems=1)
    client.list_layer_versions(LayerName=name, MaxItems=1)
    client.list_layer_versions(LayerName=name)
    client.add_layer_version_permission(**of, StatementId="s", Action="lambda:GetLayerVersion", Principal="*")
    client.get_layer_version_policy(**of)
    client.remove_layer_version_permission(**of, StatementId="s")
    client.delete_layer_version(LayerName=name, VersionNumber=2)


def functions(client, name, queue_arn, later):
    layer = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:{name}:1"
    settings = {
        "Runtime": aws.PYTHON, "Handler": "echo.handler", "Role": aws.ROLE, "Description": "d", "Layers": [layer],
        "DeadLetterConfig": {"TargetArn": queue_arn}, "Environment": {"Variables": {"KEY": "v"}},
        "LoggingConfig": {"LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"},
    }
    client.create_function(
        FunctionName=name, Code={"ZipFile": packages.python("echo")}, Publish=True, Tags={"k": "v"}, **settings)
    wait = lambda: client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=aws.WAITER)
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=aws.WAITER)
    client.update_function_configuration(FunctionName=name, Description="e")
    wait()
    client.update_function_code(FunctionName=name, ZipFile=packages.zip_of({"echo.py": "handler = lambda e, c: e"}))
    wait()
    client.publish_version(FunctionName=name)
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=5)
    client.get_function_concurrency(FunctionName=name)
    client.get_function(FunctionName=name)
    client.get_function_configuration(FunctionName=name)
    client.list_functions(MaxItems=1)
    client.list_functions(FunctionVersion="ALL", MaxItems=1)
    client.list_versions_by_function(FunctionName=name, MaxItems=1)
    client.get_account_settings()


def around(client, name, queue_arn, later):
    of = {"FunctionName": name}
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    weights = {"AdditionalVersionWeights": {"2": 0.5}}
    client.create_alias(**of, Name="live", FunctionVersion="1", RoutingConfig=weights, Description="d")
    client.update_alias(**of, Name="live", Description="e")
    client.create_alias(**of, Name="other", FunctionVersion="1")
    client.get_alias(**of, Name="live")
    client.list_aliases(**of, MaxItems=1)
    client.delete_alias(**of, Name="other")
    for qualifier in ("1", "2"):
        client.put_provisioned_concurrency_config(**of, Qualifier=qualifier, ProvisionedConcurrentExecutions=1)
    client.get_provisioned_concurrency_config(**of, Qualifier="1")
    client.list_provisioned_concurrency_configs(**of, MaxItems=1)
    client.delete_provisioned_concurrency_config(**of, Qualifier="2")
    client.delete_function_concurrency(**of)
    cors = {"AllowCredentials": True, "AllowHeaders": ["*"], "AllowMethods": ["*"], "AllowOrigins": ["https://a.example"],
            "ExposeHeaders": ["x"], "MaxAge": 5}
    client.create_function_url_config(**of, AuthType="NONE", Cors=cors, InvokeMode="BUFFERED")
    client.create_function_url_config(**of, AuthType="NONE", Qualifier="live")
    client.get_function_url_config(**of)
    client.update_function_url_config(**of, AuthType="AWS_IAM")
    client.list_function_url_configs(**of, MaxItems=1)
    client.delete_function_url_config(**of)
    client.add_permission(**of, StatementId="s", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com")
    client.get_policy(**of)
    client.remove_permission(**of, StatementId="s")
    policy = {"Version": "2012-10-17", "Statement": [{
        "Sid": "s", "Effect": "Deny", "Principal": "*", "Action": "lambda:InvokeFunction", "Resource": f"{arn}:2"}]}
    client.put_resource_policy(ResourceArn=f"{arn}:2", Policy=json.dumps(policy))
    client.get_resource_policy(ResourceArn=f"{arn}:2")
    client.delete_resource_policy(ResourceArn=f"{arn}:2")
    client.tag_resource(Resource=arn, Tags={"l": "w"})
    client.list_tags(Resource=arn)
    client.untag_resource(Resource=arn, TagKeys=["l"])
    to = {"OnFailure": {"Destination": queue_arn}, "OnSuccess": {"Destination": queue_arn}}
    client.put_function_event_invoke_config(**of, MaximumRetryAttempts=1, MaximumEventAgeInSeconds=60, DestinationConfig=to)
    client.put_function_event_invoke_config(**of, Qualifier="live", MaximumRetryAttempts=1)
    client.update_function_event_invoke_config(**of, MaximumRetryAttempts=0)
    client.get_function_event_invoke_config(**of)
    client.list_function_event_invoke_configs(**of, MaxItems=1)
    client.delete_function_event_invoke_config(**of)
    client.put_runtime_management_config(**of, UpdateRuntimeOn="FunctionUpdate")
    client.get_runtime_management_config(**of)
    client.put_function_recursion_config(**of, RecursiveLoop="Allow")
    client.get_function_recursion_config(**of)
    client.get_function_code_signing_config(**of)
    client.delete_function_code_signing_config(**of)
    mapping = client.create_event_source_mapping(
        **of, EventSourceArn=queue_arn, BatchSize=20, MaximumBatchingWindowInSeconds=1, Tags={"k": "v"},
        FilterCriteria={"Filters": [{"Pattern": '{"body": ["x"]}'}]}, FunctionResponseTypes=["ReportBatchItemFailures"],
        ScalingConfig={"MaximumConcurrency": 2}, MetricsConfig={"Metrics": ["EventCount"]})["UUID"]
    client.get_event_source_mapping(UUID=mapping)
    other = client.create_event_source_mapping(FunctionName=f"{name}:1", EventSourceArn=queue_arn)["UUID"]
    later(client.delete_event_source_mapping, UUID=other)
    client.list_event_source_mappings(EventSourceArn=queue_arn, MaxItems=1)
    client.update_event_source_mapping(UUID=mapping, BatchSize=30)
    client.delete_event_source_mapping(UUID=mapping)


def invocations(client, name):
    answer = client.invoke(FunctionName=name, Payload=b"{}", LogType="Tail")
    assert (answer["ExecutedVersion"], answer["Payload"].read()) == ("$LATEST", b"{}") and answer["LogResult"]
    assert client.invoke_async(FunctionName=name, InvokeArgs=b"{}")["Status"] == 202
    stream = client.invoke_with_response_stream(FunctionName=name, Payload=b"{}", LogType="Tail")
    assert [next(iter(event)) for event in stream["EventStream"]] == ["PayloadChunk", "InvokeComplete"]
    assert stream["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"


def refusals(client, name):
    """What Hearth has none of: empty lists, unknown things, and refusals by name."""
    missing, invalid = "ResourceNotFoundException", "InvalidParameterValueException"
    of = {"FunctionName": name}
    publishers = {"SigningProfileVersionArns": [f"arn:aws:signer:{REGION}:{ACCOUNT}:/signing-profiles/p/v"]}
    provider = {"CapacityProviderName": "p"}
    execution = {"DurableExecutionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}:1/durable-execution/e/0123"}
    client.list_code_signing_configs()
    client.list_capacity_providers()
    client.list_durable_executions_by_function(**of)
    client.get_function_scaling_config(**of, Qualifier="1")
    asked = [
        (client.create_code_signing_config, {"AllowedPublishers": publishers}),
        (client.get_code_signing_config, {"CodeSigningConfigArn": CONFIG}),
        (client.update_code_signing_config, {"CodeSigningConfigArn": CONFIG}),
        (client.delete_code_signing_config, {"CodeSigningConfigArn": CONFIG}),
        (client.list_functions_by_code_signing_config, {"CodeSigningConfigArn": CONFIG}),
        (client.put_function_code_signing_config, of | {"CodeSigningConfigArn": CONFIG}),
        (client.create_capacity_provider, provider | {
            "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
            "PermissionsConfig": {"CapacityProviderOperatorRoleArn": aws.ROLE}}),
        (client.get_capacity_provider, provider),
        (client.update_capacity_provider, provider),
        (client.delete_capacity_provider, provider),
        (client.list_function_versions_by_capacity_provider, provider),
        (client.put_function_scaling_config, of | {
            "Qualifier": "1", "FunctionScalingConfig": {"MinExecutionEnvironments": 1}}),
        (client.checkpoint_durable_execution, execution | {"CheckpointToken": "dG9rZW4="}),
        (client.get_durable_execution, execution),
        (client.get_durable_execution_history, execution),
        (client.get_durable_execution_state, execution | {"CheckpointToken": "dG9rZW4="}),
        (client.stop_durable_execution, execution),
        (client.pause_durable_execution, execution),
        (client.resume_durable_execution, execution),
        (client.delete_durable_execution, execution),
        (client.send_durable_execution_callback_success, {"CallbackId": "Y2FsbGJhY2s="}),
        (client.send_durable_execution_callback_failure, {"CallbackId": "Y2FsbGJhY2s="}),
        (client.send_durable_execution_callback_heartbeat, {"CallbackId": "Y2FsbGJhY2s="}),
    ]
    for call, arguments in asked:
        with refused(client, call.__name__, missing, invalid, "CodeSigningConfigNotFoundException"):
            call(**arguments)
