"""Tags with boto3."""

import pytest

from support import packages


def test_tags_are_given_listed_and_taken(make, client):
    function = make(packages.python("echo"), handler="echo.handler", Tags={"team": "a"})
    client.tag_resource(Resource=function.arn, Tags={"stage": "test", "owner": "me@example.com"})
    expected = {"team": "a", "stage": "test", "owner": "me@example.com"}
    assert client.list_tags(Resource=function.arn)["Tags"] == expected
    assert client.get_function(FunctionName=function.name)["Tags"] == expected
    client.untag_resource(Resource=function.arn, TagKeys=["team", "owner"])
    assert client.list_tags(Resource=function.arn)["Tags"] == {"stage": "test"}
    with pytest.raises(client.exceptions.InvalidParameterValueException) as refused:
        client.tag_resource(Resource=function.arn, Tags={f"key-{number}": "v" for number in range(50)})
    assert refused.value.response["Error"]["Message"] == "Number of tags exceeds resource tag limit."
    with pytest.raises(client.exceptions.InvalidParameterValueException):
        client.tag_resource(Resource=f"{function.arn}:1", Tags={"k": "v"})
    with pytest.raises(client.exceptions.InvalidParameterValueException):
        client.tag_resource(Resource=function.arn, Tags={"aws:mine": "v"})
