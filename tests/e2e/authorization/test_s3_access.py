"""Who may do what with buckets and objects where callers are held to their policies."""

import base64
import hashlib
import hmac
import json
import urllib.error
import urllib.request
from xml.etree import ElementTree

import botocore.loaders
import pytest
from botocore.exceptions import ClientError

from support import aws

from .test_authentication import ask, code_of


def routes():
    model = botocore.loaders.Loader().load_service_model("s3", "service-2", "2006-03-01")
    for name, operation in model["operations"].items():
        if operation.get("staticContextParams", {}).get("UseObjectLambdaEndpoint"):
            continue
        path = operation["http"]["requestUri"].replace("{Bucket}", "some-bucket").replace("{Key+}", "key")
        yield name, operation["http"]["method"], path


def test_nothing_of_s3_answers_without_credentials(enforced):
    walked = 0
    for name, method, path in routes():
        # The bare root is nobody's without a signature.
        if path.split("?")[0] == "/":
            continue
        status, text, headers = ask(enforced.url, method, path, {"host": "s3.localhost"})
        assert status in (403, 501, 400), (name, status, text)
        assert method == "HEAD" or code_of(text, headers) in ("AccessDenied", "NotImplemented", "InvalidRequest", "MalformedXML"), (name, text)
        walked += 1
    assert walked > 80


def test_a_bucket_s_policy_lets_strangers_in_only_once_nothing_blocks_it(enforced):
    key, secret = enforced.root_key
    s3 = aws.client(enforced.url, "s3", key, secret)
    s3.create_bucket(Bucket="public-or-not")
    s3.put_object(Bucket="public-or-not", Key="open/a", Body=b"open")
    s3.put_object(Bucket="public-or-not", Key="closed/a", Body=b"closed")
    policy = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::public-or-not/open/*"}
            ],
        }
    )
    with pytest.raises(ClientError) as error:
        s3.put_bucket_policy(Bucket="public-or-not", Policy=policy)
    assert error.value.response["Error"]["Code"] == "AccessDenied"
    s3.delete_public_access_block(Bucket="public-or-not")
    s3.put_bucket_policy(Bucket="public-or-not", Policy=policy)
    assert s3.get_bucket_policy_status(Bucket="public-or-not")["PolicyStatus"]["IsPublic"] is True
    assert urllib.request.urlopen(f"{enforced.url}/public-or-not/open/a").read() == b"open"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{enforced.url}/public-or-not/closed/a")
    assert refused.value.code == 403


def test_a_user_may_what_its_policy_says_and_no_more(enforced):
    key, secret = enforced.root_key
    s3, iam = aws.client(enforced.url, "s3", key, secret), aws.client(enforced.url, "iam", key, secret)
    s3.create_bucket(Bucket="for-a-reader")
    s3.put_object(Bucket="for-a-reader", Key="a", Body=b"a")
    iam.create_user(UserName="reader")
    iam.put_user_policy(
        UserName="reader", PolicyName="read",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::for-a-reader/*"}],
            }
        ),
    )
    made = iam.create_access_key(UserName="reader")["AccessKey"]
    reader = aws.client(enforced.url, "s3", made["AccessKeyId"], made["SecretAccessKey"])
    assert reader.get_object(Bucket="for-a-reader", Key="a")["Body"].read() == b"a"
    for call in (
        lambda: reader.put_object(Bucket="for-a-reader", Key="b", Body=b"b"),
        lambda: reader.list_objects_v2(Bucket="for-a-reader"),
        lambda: reader.delete_bucket(Bucket="for-a-reader"),
        # Who may not list is not told what is missing.
        lambda: reader.get_object(Bucket="for-a-reader", Key="missing"),
    ):
        with pytest.raises(ClientError) as error:
            call()
        assert error.value.response["Error"]["Code"] == "AccessDenied"


#: Source: recorded answers, tests/e2e/conformance/s3_errors.tsv.
NOT_MATCHING = {"Code", "Message", "AWSAccessKeyId", "SignatureProvided", "StringToSign", "StringToSignBytes"}
WRONG_SECRET = "x" * 40


def test_whoever_signs_wrongly_is_told_what_was_to_be_signed(enforced):
    key, _ = enforced.root_key
    wrong = aws.client(enforced.url, "s3", key, WRONG_SECRET)
    with pytest.raises(ClientError) as refused:
        wrong.put_object(Bucket="some-bucket", Key="a b/ü+", Body=b"x", Metadata={"a": "b"})
    told = refused.value.response["Error"]
    assert set(told) == NOT_MATCHING | {"CanonicalRequest", "CanonicalRequestBytes"}
    assert (told["Code"], told["AWSAccessKeyId"]) == ("SignatureDoesNotMatch", key)
    text, canonical = told["StringToSign"], told["CanonicalRequest"]
    assert bytes.fromhex(told["StringToSignBytes"]).decode() == text
    assert bytes.fromhex(told["CanonicalRequestBytes"]).decode() == canonical
    algorithm, _, scope, digest = text.split("\n")
    assert algorithm == "AWS4-HMAC-SHA256" and digest == hashlib.sha256(canonical.encode()).hexdigest()
    assert canonical.startswith("PUT\n/some-bucket/a%20b/%C3%BC%2B\n")
    # What the client signed, with the secret it has, is the same text.
    signing = b"AWS4" + WRONG_SECRET.encode()
    for part in scope.split("/"):
        signing = hmac.digest(signing, part.encode(), "sha256")
    assert hmac.digest(signing, text.encode(), "sha256").hex() == told["SignatureProvided"]


def test_whoever_signs_a_link_of_the_older_kind_wrongly_is_told_what_was_to_be_signed(enforced):
    key, _ = enforced.root_key
    link = aws.client(enforced.url, "s3", key, WRONG_SECRET, signature_version="s3").generate_presigned_url(
        "get_object", {"Bucket": "some-bucket", "Key": "k"}, ExpiresIn=60
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(link)
    told = {element.tag: element.text for element in ElementTree.fromstring(refused.value.read())}
    assert set(told) == NOT_MATCHING | {"RequestId", "HostId"} and told["AWSAccessKeyId"] == key
    assert bytes.fromhex(told["StringToSignBytes"]).decode() == told["StringToSign"]
    signature = hmac.digest(WRONG_SECRET.encode(), told["StringToSign"].encode(), "sha1")
    assert base64.b64encode(signature).decode() == told["SignatureProvided"]
