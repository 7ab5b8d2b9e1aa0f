"""Every paginator and every waiter that boto3 has for Lambda."""

import pytest

from support import aws, packages
from support.aws import ACCOUNT, REGION

PAGE = 2


@pytest.fixture
def busy(make, client):
    """A function with three of everything that is listed."""
    function = make(packages.python("echo"), handler="echo.handler")
    layer = function.name + "-layer"
    for number in range(1, 4):
        aws.update(function, Description=str(number))
        client.publish_version(FunctionName=function.name)
        alias = f"alias-{number}"
        client.create_alias(FunctionName=function.name, Name=alias, FunctionVersion=str(number))
        client.put_function_event_invoke_config(FunctionName=function.name, Qualifier=alias, MaximumRetryAttempts=0)
        client.put_provisioned_concurrency_config(
            FunctionName=function.name, Qualifier=alias, ProvisionedConcurrentExecutions=1)
        client.publish_layer_version(
            LayerName=layer, Content={"ZipFile": packages.zip_of({"a.txt": str(number)})})
        client.publish_layer_version(
            LayerName=f"{layer}-{number}", Content={"ZipFile": packages.zip_of({"a.txt": "a"})})
        aws.create(client, packages.python("echo"), handler="echo.handler", name=f"{function.name}-{number}")
        client.create_function_url_config(FunctionName=function.name, Qualifier=alias, AuthType="NONE")
    yield function, layer
    for number in range(1, 4):
        client.delete_function(FunctionName=f"{function.name}-{number}")
        client.delete_layer_version(LayerName=layer, VersionNumber=number)
        client.delete_layer_version(LayerName=f"{layer}-{number}", VersionNumber=1)


def test_every_paginator_shows_everything_once(busy, client):
    function, layer = busy
    config = f"arn:aws:lambda:{REGION}:{ACCOUNT}:code-signing-config:csc-01234567890abcdef"
    execution = f"{function.arn}:1/durable-execution/e/0123"
    of_function = {"FunctionName": function.name}
    # What to ask for, where the items are, how many of ours there must be at least; or the refusal.
    asked = {
        "ListFunctions": ({}, "Functions", 4),
        "ListVersionsByFunction": (of_function, "Versions", 4),
        "ListAliases": (of_function, "Aliases", 3),
        "ListLayers": ({}, "Layers", 4),
        "ListLayerVersions": ({"LayerName": layer}, "LayerVersions", 3),
        "ListFunctionEventInvokeConfigs": (of_function, "FunctionEventInvokeConfigs", 3),
        "ListProvisionedConcurrencyConfigs": (of_function, "ProvisionedConcurrencyConfigs", 3),
        "ListFunctionUrlConfigs": (of_function, "FunctionUrlConfigs", 3),
        "ListEventSourceMappings": (of_function, "EventSourceMappings", 0),
        "ListCodeSigningConfigs": ({}, "CodeSigningConfigs", 0),
        "ListCapacityProviders": ({}, "CapacityProviders", 0),
        "ListDurableExecutionsByFunction": (of_function, "DurableExecutions", 0),
        "ListFunctionsByCodeSigningConfig": ({"CodeSigningConfigArn": config}, "ResourceNotFoundException", None),
        "ListFunctionVersionsByCapacityProvider": ({"CapacityProviderName": "p"}, "ResourceNotFoundException", None),
        "GetDurableExecutionHistory": ({"DurableExecutionArn": execution}, "ResourceNotFoundException", None),
        "GetDurableExecutionState": (
            {"DurableExecutionArn": execution, "CheckpointToken": "dG9rZW4="}, "InvalidParameterValueException", None),
    }
    methods = client.meta.method_to_api_mapping
    paginated = {api: method for method, api in methods.items() if client.can_paginate(method)}
    # One that is new to boto3 must be looked at.
    assert set(paginated) == set(asked)
    for api, (arguments, where, least) in asked.items():
        pages = client.get_paginator(paginated[api]).paginate(**arguments, PaginationConfig={"PageSize": PAGE})
        if least is None:
            with pytest.raises(client.exceptions.ClientError) as refused:
                list(pages)
            assert refused.value.response["Error"]["Code"] == where, api
            continue
        pages = list(pages)
        items = [item for page in pages for item in page[where]]
        names = [repr(sorted(item.items(), key=repr)) for item in items]
        assert len(set(names)) == len(items) >= least, api
        assert all(len(page[where]) <= PAGE for page in pages), api
        if arguments:
            assert len(items) == least, api


def test_every_waiter_ends(make, client):
    wait = {"Delay": 1, "MaxAttempts": 30}
    function = make(packages.python("echo"), handler="echo.handler")
    client.publish_version(FunctionName=function.name)
    for name in client.waiter_names:
        arguments = {"Qualifier": "1"} if name == "published_version_active" else {}
        if "updated" in name:
            client.update_function_configuration(FunctionName=function.name, Description=name)
        client.get_waiter(name).wait(FunctionName=function.name, WaiterConfig=wait, **arguments)
    assert len(client.waiter_names) >= 6
