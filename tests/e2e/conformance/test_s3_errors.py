"""Errors recorded from the real S3 are provoked here: code, status, text and the further elements of the answer.

What of `s3_errors.tsv` nothing provokes is of a kind that `NOT_HERE` names, with the reason.
"""

import base64
import json
import re
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from support import aws

TABLE = Path(__file__).with_name("s3_errors.tsv")

#: Rows by code, or by code and a part of the row, and why nothing here provokes them.
NOT_HERE = [
    ("304", "", "tools' name of a status: test_s3.py"),
    ("400", "", "tools' name of a status"),
    ("403", "", "tools' name of a status"),
    ("404", "", "tools' name of a status: test_s3.py"),
    ("405", "", "tools' name of a status"),
    ("412", "", "tools' name of a status"),
    ("AccessDenied", "Invalid according to Policy", "uploads by HTML forms are refused"),
    ("AccessDenied", "Query-string authentication requires", "signatures of version 2 are refused"),
    ("AccessDenied", "Request has expired", "takes waiting"),
    ("AccessDenied", "headers present in the request", "test_authentication of wire"),
    ("AccessDenied", "object lock", "Object Lock is refused"),
    ("AccessDenied", "Customer provided keys", "SSE-C is refused"),
    ("AccessDenied", "Access Denied", "test_s3_access.py"),
    ("AccessForbidden", "", "test_cors of this file, without the whole text"),
    ("AuthorizationHeaderMalformed", "", "a region 'aws-global' is a name like any other here"),
    ("AuthorizationQueryParametersError", "", "texts of signatures are wire's"),
    ("BadRequest", "", "test_cors of this file"),
    ("ConditionalRequestConflict", "", "takes a race: test_s3.py"),
    ("CrossLocationLoggingProhibitted", "", "logging is refused"),
    ("EntityTooLarge", "", "takes 5 GiB, or a form"),
    ("EntityTooSmall", "HostId", "uploads by HTML forms are refused"),
    ("IdMismatch", "", "analytics and inventory are refused"),
    ("InternalError", "", "nothing breaks on demand"),
    ("InvalidArgument", "POST must contain", "uploads by HTML forms are refused"),
    ("InvalidArgument", "Header value cannot be represented", "a header that is none is refused by its library"),
    ("InvalidArgument", "Invalid id", "ACLs are refused"),
    ("InvalidArgument", "group uri", "ACLs are refused"),
    ("InvalidArgument", "IndexDocument", "websites are refused"),
    ("InvalidArgument", "RedirectAllRequestsTo", "websites are refused"),
    ("InvalidArgument", "object-lock", "Object Lock is refused"),
    ("InvalidArgument", "RetainUntilDate", "Object Lock is refused"),
    ("InvalidArgument", "object-ownership", "test_create of this file, for the one that reaches the server"),
    ("InvalidArgument", "x-amz-server-side-encryption", "SSE-C is refused"),
    ("InvalidArgument", "x-amz-grant-write", "grants are refused"),
    ("InvalidArgument", "bucket-region", "any region's name is one here"),
    ("InvalidArgument", "Unable to validate", "test_s3_notifications.py"),
    ("InvalidBucketState", "", "Object Lock is refused"),
    ("InvalidObjectState", "", "there is one storage class"),
    ("InvalidPolicyDocument", "", "uploads by HTML forms are refused"),
    ("InvalidRequest", "Object Lock", "Object Lock is refused"),
    ("InvalidRequest", "encrypt", "SSE-C is refused"),
    ("InvalidRequest", "Server Side Encryption", "SSE-C is refused"),
    ("InvalidArgument", '{"ArgumentName": "encoding-type"}', "the same with its value"),
    ("InvalidArgument", "copy source object key", "boto3 sends a source of both parts"),
    ("InvalidRequest", "redirect", "websites are refused"),
    ("InvalidRequest", "Redirect", "websites are refused"),
    ("InvalidRequest", "ReplaceKey", "websites are refused"),
    ("InvalidRequest", "protocol", "websites are refused"),
    ("InvalidRequest", "replication", "replication is refused"),
    ("InvalidRequest", "Destination bucket", "replication is refused"),
    ("InvalidRequest", "Acceleration", "acceleration is refused"),
    ("InvalidRequest", "Canned ACLs", "ACLs are refused"),
    ("InvalidRequest", "Value for x-amz-checksum", "one algorithm stands for all: test_checksums of this file"),
    ("InvalidRequest", "It was missing for part", "one algorithm stands for all: test_uploads of this file"),
    ("InvalidRequest", "null checksum mode", "what is null is not known"),
    ("InvalidS3DestinationBucket", "", "replication, analytics and inventory are refused"),
    ("InvalidStorageClass", "HostId", "uploads by HTML forms are refused"),
    ("InvalidTag", "cannot be prefixed", "told in the words of another row"),
    ("InvalidTag", "User-defined", "told in the words of another row"),
    ("InvalidTargetBucketForLogging", "", "logging is refused"),
    ("KMS.", "", "KMS is refused"),
    ("MalformedACLError", "", "ACLs are refused"),
    ("MalformedXML", "HostId", "uploads by HTML forms are refused"),
    ("NoSuchConfiguration", "", "analytics, inventory and metrics are refused"),
    ("NoSuchObjectLockConfiguration", "", "Object Lock is refused"),
    ("PreconditionFailed", "enclosure-type", "uploads by HTML forms are refused"),
    ("SignatureDoesNotMatch", "", "takes a wrong key: test_s3_access.py"),
    ("UnexpectedContent", "", "what a request brings and its operation does not read is read over"),
    ("InvalidEncryptionAlgorithmError", "", "KMS is refused"),
    ("MethodNotAllowed", '"PUT"', "tags of delete markers: told with another method"),
    ("InvalidRequest", "TransitionDefaultMinimumObjectSize", "s3s has no such value"),
    ("InvalidLocationConstraint", "", "regions' names differ"),
    ("IllegalLocationConstraintException", "", "regions' names differ"),
    ("InvalidRequest", "actual checksum Type", "boto3 sends one kind in a request"),
    ("InvalidRequest", "Multiple checksum Types", "boto3 sends one kind in a request"),
    ("InvalidRequest", "algorithm provided is unsupported", "boto3 knows no other"),
    ("InvalidDigest", "", "one stands for all: test_checksums of this file"),
    ("BadDigest", "", "one stands for all: test_checksums of this file"),
]


def row_of(error):
    told = error.response["Error"]
    return told["Code"], told.get("Message", ""), {k: v for k, v in told.items() if k not in ("Code", "Message")}


class Provoked:
    def __init__(self):
        self.found = []

    def __call__(self, call, **arguments):
        with pytest.raises(ClientError) as error:
            call(**arguments)
        row = row_of(error.value)
        self.found.append((row, error.value.response["ResponseMetadata"]["HTTPStatusCode"]))
        return row


PROVOKED = Provoked()
ZEROS = "A" * 22 + "=="


@pytest.fixture(scope="module")
def s3(server):
    return aws.client(server.url, "s3", parameter_validation=False)


@pytest.fixture
def bucket(s3):
    name = aws.function_name("bucket")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="my-key", Body=b"0123456789")
    return name


def test_what_is_not_there(s3, bucket):
    missing = "bucket-not-exists"
    for call in (s3.list_objects_v2, s3.get_bucket_policy, s3.get_bucket_versioning, s3.delete_bucket):
        assert PROVOKED(call, Bucket=missing) == ("NoSuchBucket", "The specified bucket does not exist", {"BucketName": missing})
    assert PROVOKED(s3.get_object, Bucket=bucket, Key="fake-key") == ("NoSuchKey", "The specified key does not exist.", {"Key": "fake-key"})
    for call, code in (
        (s3.get_bucket_policy, "NoSuchBucketPolicy"),
        (s3.get_bucket_cors, "NoSuchCORSConfiguration"),
        (s3.get_bucket_lifecycle_configuration, "NoSuchLifecycleConfiguration"),
        (s3.get_bucket_tagging, "NoSuchTagSet"),
        (s3.get_bucket_website, "NoSuchWebsiteConfiguration"),
        (s3.get_object_lock_configuration, "ObjectLockConfigurationNotFoundError"),
        (s3.get_bucket_replication, "ReplicationConfigurationNotFoundError"),
    ):
        assert PROVOKED(call, Bucket=bucket)[0] == code
    s3.delete_public_access_block(Bucket=bucket)
    assert PROVOKED(s3.get_public_access_block, Bucket=bucket)[0] == "NoSuchPublicAccessBlockConfiguration"
    s3.delete_bucket_ownership_controls(Bucket=bucket)
    assert PROVOKED(s3.get_bucket_ownership_controls, Bucket=bucket)[0] == "OwnershipControlsNotFoundError"
    assert PROVOKED(s3.list_parts, Bucket=bucket, Key="k", UploadId="fakeid")[2] == {"UploadId": "fakeid"}


def test_buckets(server, s3, bucket):
    away = aws.client(server.url, "s3", region="eu-west-1")
    name = aws.function_name("bucket")
    location = {"LocationConstraint": "eu-west-1"}
    away.create_bucket(Bucket=name, CreateBucketConfiguration=location)
    assert PROVOKED(away.create_bucket, Bucket=name, CreateBucketConfiguration=location)[0] == "BucketAlreadyOwnedByYou"
    assert PROVOKED(away.create_bucket, Bucket=name)[0] == "IllegalLocationConstraintException"
    assert PROVOKED(s3.create_bucket, Bucket=name + "-2", CreateBucketConfiguration={"LocationConstraint": "bar"})[0] == "InvalidLocationConstraint"
    assert PROVOKED(s3.create_bucket, Bucket="a")[0] == "InvalidBucketName"
    assert PROVOKED(s3.create_bucket, Bucket=name + "-3", ObjectOwnership="RandomValue")[1] == "Invalid x-amz-object-ownership header: RandomValue"
    assert PROVOKED(s3.delete_bucket, Bucket=bucket)[1] == "The bucket you tried to delete is not empty"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert PROVOKED(s3.delete_bucket, Bucket=bucket)[1].endswith("You must delete all versions in the bucket.")
    for owner in ("0000", "abcd", "invalid", "0000000000020", "aa000000000$"):
        PROVOKED(s3.list_objects_v2, Bucket=bucket, ExpectedBucketOwner=owner)
    assert PROVOKED(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={})[0] == "IllegalVersioningConfigurationException"


def test_policies_tags_and_rules(s3, bucket):
    assert PROVOKED(s3.put_bucket_policy, Bucket=bucket, Policy="x")[1] == "Policies must be valid JSON and the first byte must be '{'"
    assert PROVOKED(s3.put_bucket_policy, Bucket=bucket, Policy="{}")[1] == "Missing required field Statement"
    put = s3.put_object_tagging
    tag = lambda *pairs: {"TagSet": [{"Key": key, "Value": value} for key, value in pairs]}  # noqa: E731
    assert PROVOKED(put, Bucket=bucket, Key="my-key", Tagging=tag(("Key1", "a"), ("Key1", "b")))[2] == {"TagKey": "Key1"}
    assert PROVOKED(put, Bucket=bucket, Key="my-key", Tagging=tag(("Key1,Key2", "a")))[2] == {"TagKey": "Key1,Key2"}
    assert PROVOKED(put, Bucket=bucket, Key="my-key", Tagging=tag(("test,test2", "a")))[2] == {"TagKey": "test,test2"}
    assert PROVOKED(put, Bucket=bucket, Key="my-key", Tagging=tag(("Key1", "Val1,Val2")))[1] == "The TagValue you have provided is invalid"
    assert PROVOKED(put, Bucket=bucket, Key="my-key", Tagging=tag(("test", "value1,value2")))[0] == "InvalidTag"
    assert PROVOKED(put, Bucket=bucket, Key="my-key", Tagging=tag(("aws:prefixed", "a")))[1] == "System tags cannot be added/updated by requester"
    for header in ("key1=val1&key1=val2", "key1=val1,key2=val2"):
        assert PROVOKED(s3.put_object, Bucket=bucket, Key="k", Body=b"", Tagging=header)[2]["ArgumentName"] == "x-amz-tagging"
    rule = {"AllowedMethods": ["MYMETHOD"], "AllowedOrigins": ["*"]}
    assert "MYMETHOD" in PROVOKED(s3.put_bucket_cors, Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})[1]
    lifecycle = {"Rules": [{"ID": "a", "Status": "Enabled", "Filter": {}, "Expiration": {"Date": "2030-01-01T12:00:00Z"}}]}
    assert PROVOKED(s3.put_bucket_lifecycle_configuration, Bucket=bucket, LifecycleConfiguration=lifecycle)[1] == "'Date' must be at midnight GMT"
    twice = {"And": {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}}
    lifecycle = {"Rules": [{"ID": "a", "Status": "Enabled", "Filter": twice, "Expiration": {"Days": 1}}]}
    assert PROVOKED(s3.put_bucket_lifecycle_configuration, Bucket=bucket, LifecycleConfiguration=lifecycle)[1].startswith("Duplicate Tag Keys")
    no_action = {"Rules": [{"ID": "a", "Status": "Bad", "Filter": {}}]}
    assert PROVOKED(s3.put_bucket_lifecycle_configuration, Bucket=bucket, LifecycleConfiguration=no_action)[0] == "MalformedXML"
    encryption = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256", "KMSMasterKeyID": "x"}}]}
    assert PROVOKED(s3.put_bucket_encryption, Bucket=bucket, ServerSideEncryptionConfiguration=encryption)[0] == "InvalidArgument"
    assert PROVOKED(s3.put_bucket_acl, Bucket=bucket)[2] == {"MissingHeaderName": "x-amz-acl"}
    assert PROVOKED(s3.put_bucket_acl, Bucket=bucket, ACL="fake-acl")[2] == {"ArgumentName": "x-amz-acl", "ArgumentValue": "fake-acl"}
    queue = lambda arn, **more: {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"], **more}]}  # noqa: E731
    put = s3.put_bucket_notification_configuration
    for arn in ("invalid-queue", "invalid_arn", "invalid_arn_2"):
        assert PROVOKED(put, Bucket=bucket, NotificationConfiguration=queue(arn))[2] == {"ArgumentName": "Queue", "ArgumentValue": arn}
    PROVOKED(put, Bucket=bucket, NotificationConfiguration={"TopicConfigurations": [{"TopicArn": "invalid-topic", "Events": ["s3:ObjectCreated:*"]}]})
    PROVOKED(put, Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [{"LambdaFunctionArn": "invalid-queue", "Events": ["s3:ObjectCreated:*"]}]})
    bad = {"Key": {"FilterRules": [{"Name": "INVALID", "Value": "x"}]}}
    arn = "arn:aws:sqs:us-east-1:000000000000:q"
    assert PROVOKED(put, Bucket=bucket, NotificationConfiguration=queue(arn, Filter=bad))[2]["ArgumentName"] == "FilterRule.Name"


def test_reads_and_lists(s3, bucket):
    get = s3.get_object
    s3.put_object(Bucket=bucket, Key="eight", Body=b"01234567")
    assert PROVOKED(get, Bucket=bucket, Key="my-key", Range="bytes=100-200")[2] == {"ActualObjectSize": "10", "RangeRequested": "bytes=100-200"}
    PROVOKED(get, Bucket=bucket, Key="my-key", Range="bytes=-0")
    PROVOKED(get, Bucket=bucket, Key="eight", Range="bytes=1024-4096")
    assert PROVOKED(get, Bucket=bucket, Key="my-key", Range="bytes=0-1", PartNumber=1)[1].startswith("Cannot specify both Range")
    assert PROVOKED(get, Bucket=bucket, Key="my-key", PartNumber=2)[2] == {"ActualPartCount": "1", "PartNumberRequested": "2"}
    assert PROVOKED(get, Bucket=bucket, Key="my-key", IfMatch='"x"')[2] == {"Condition": "If-Match"}
    assert PROVOKED(get, Bucket=bucket, Key="my-key", IfUnmodifiedSince="Wed, 21 Oct 2015 07:28:00 GMT")[2] == {"Condition": "If-Unmodified-Since"}
    assert PROVOKED(s3.list_objects_v2, Bucket=bucket, ContinuationToken="%")[2] == {"ArgumentName": "continuation-token"}
    assert PROVOKED(s3.list_objects_v2, Bucket=bucket, EncodingType="value")[2] == {"ArgumentName": "encoding-type", "ArgumentValue": "value"}
    assert PROVOKED(s3.list_object_versions, Bucket=bucket, VersionIdMarker="x")[2]["ArgumentName"] == "version-id-marker"
    assert PROVOKED(s3.list_multipart_uploads, Bucket=bucket, KeyMarker="a", UploadIdMarker="x")[2]["ArgumentName"] == "upload-id-marker"
    version = "HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    there = s3.put_object(Bucket=bucket, Key="test-delete", Body=b"x")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="test-delete", VersionId=there)
    assert PROVOKED(get, Bucket=bucket, Key="my-key", VersionId="no version")[2] == {"ArgumentName": "versionId", "ArgumentValue": "no version"}
    assert PROVOKED(get, Bucket=bucket, Key="test-delete", VersionId=there)[2] == {"Key": "test-delete", "VersionId": there}
    marker = s3.delete_object(Bucket=bucket, Key="my-key")["VersionId"]
    assert PROVOKED(get, Bucket=bucket, Key="my-key", VersionId=marker)[2] == {"Method": "GET", "ResourceType": "DeleteMarker"}
    hidden = {"Bucket": bucket, "Key": "my-key", "VersionId": marker}
    assert PROVOKED(s3.copy_object, Bucket=bucket, Key="c", CopySource=hidden)[1].startswith("The source of a copy request")
    assert PROVOKED(s3.delete_object_tagging, Bucket=bucket, Key="my-key", VersionId=marker)[2]["Method"] == "DELETE"
    assert version


def test_writes_and_copies(s3, bucket):
    put = s3.put_object
    assert PROVOKED(put, Bucket=bucket, Key="my-key", Body=b"", IfNoneMatch="*")[2] == {"Condition": "If-None-Match"}
    assert PROVOKED(put, Bucket=bucket, Key="k", Body=b"", IfNoneMatch='"x"')[2]["Header"] == "If-None-Match"
    assert PROVOKED(put, Bucket=bucket, Key="k", Body=b"", IfMatch="*")[2]["Header"] == "If-Match"
    assert PROVOKED(put, Bucket=bucket, Key="k", Body=b"", IfMatch='"x"', IfNoneMatch="*")[2]["Header"] == "If-Match,If-None-Match"
    assert PROVOKED(put, Bucket=bucket, Key="test-precondition", Body=b"", IfMatch='"x"')[2] == {"Key": "test-precondition"}
    assert PROVOKED(put, Bucket=bucket, Key="k", Body=b"", StorageClass="OUTPOSTS")[2] == {"StorageClassRequested": "OUTPOSTS"}
    assert PROVOKED(s3.delete_object, Bucket=bucket, Key="my-key", IfMatchSize=1)[2] == {"Header": "x-amz-if-match-size"}
    when = "Wed, 21 Oct 2015 07:28:00 GMT"
    assert PROVOKED(s3.delete_object, Bucket=bucket, Key="my-key", IfMatchLastModifiedTime=when)[2] == {"Header": "x-amz-if-match-last-modified-time"}
    assert PROVOKED(s3.delete_object, Bucket=bucket, Key="my-key", BypassGovernanceRetention=True)[2]["ArgumentName"] == "x-amz-bypass-governance-retention"
    source = {"Bucket": bucket, "Key": "my-key"}
    copy = s3.copy_object
    assert PROVOKED(copy, Bucket=bucket, Key="my-key", CopySource=source)[1].startswith("This copy request is illegal")
    for name, value in (("CopySourceIfMatch", '"x"'), ("CopySourceIfUnmodifiedSince", when)):
        PROVOKED(copy, Bucket=bucket, Key="c", CopySource=source, **{name: value})
    etag = s3.head_object(Bucket=bucket, Key="my-key")["ETag"]
    PROVOKED(copy, Bucket=bucket, Key="c", CopySource=source, CopySourceIfNoneMatch=etag)
    PROVOKED(copy, Bucket=bucket, Key="c", CopySource=source, CopySourceIfModifiedSince="Wed, 21 Oct 2099 07:28:00 GMT")


def test_uploads(s3, bucket):
    begin = s3.create_multipart_upload
    assert PROVOKED(begin, Bucket=bucket, Key="k", ChecksumType="COMPOSITE")[1].startswith("The x-amz-checksum-type header")
    for algorithm, kind in (("CRC64NVME", "COMPOSITE"), ("SHA1", "FULL_OBJECT"), ("SHA256", "FULL_OBJECT")):
        assert PROVOKED(begin, Bucket=bucket, Key="k", ChecksumAlgorithm=algorithm, ChecksumType=kind)[1].endswith("checksum algorithm.")
    upload = begin(Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256")["UploadId"]
    named = dict(Bucket=bucket, Key="k", UploadId=upload)
    PROVOKED(s3.upload_part, **named, PartNumber=-1, Body=b"")
    one = s3.upload_part(**named, PartNumber=1, Body=b"test", ChecksumAlgorithm="SHA256")
    part = {"PartNumber": 1, "ETag": one["ETag"]}
    complete = lambda *parts, **more: PROVOKED(s3.complete_multipart_upload, **named, **more, MultipartUpload={"Parts": list(parts)})  # noqa: E731
    assert "It was missing for part 1" in complete(part)[1]
    assert complete(part | {"ChecksumSHA256": base64.b64encode(bytes(32)).decode()})[1].startswith("The sha256 you specified for part 1")
    right = part | {"ChecksumSHA256": one["ChecksumSHA256"]}
    assert complete(right, MpuObjectSize=5)[1].endswith("value 5 does not match what was computed: 4")
    assert complete(right, ChecksumType="FULL_OBJECT")[1].startswith("The upload was created using the COMPOSITE checksum mode.")
    assert complete(right, right)[0] == "InvalidPartOrder"
    assert complete({"PartNumber": 2, "ETag": one["ETag"]})[0] == "InvalidPart"
    assert complete()[0] in ("InvalidRequest", "MalformedXML")
    whole = begin(Bucket=bucket, Key="w", ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")["UploadId"]
    tags = [s3.upload_part(Bucket=bucket, Key="w", UploadId=whole, PartNumber=n, Body=b"test")["ETag"] for n in (1, 2)]
    both = {"Parts": [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(tags, 1)]}
    of_whole = dict(Bucket=bucket, Key="w", UploadId=whole, MultipartUpload=both)
    assert "FULL_OBJECT checksum mode" in PROVOKED(s3.complete_multipart_upload, **of_whole, ChecksumType="COMPOSITE")[1]
    small = PROVOKED(s3.complete_multipart_upload, **of_whole)
    assert small[2] == {"ETag": tags[0].strip('"'), "MinSizeAllowed": "5242880", "PartNumber": "1", "ProposedSize": "4"}
    source = {"Bucket": bucket, "Key": "my-key"}
    for text in ("0-8", "bytes=-", "bytes=-0", "bytes=-1-", "bytes=-15", "bytes=-2", "bytes=0--1", "bytes=0-1,3-4,7-9", "bytes=0-100", "bytes=1-", "bytes=1-0"):
        PROVOKED(s3.upload_part_copy, **named, PartNumber=1, CopySource=source, CopySourceRange=text)
    assert PROVOKED(s3.upload_part_copy, **named, PartNumber=1, CopySource=source, CopySourceRange="bytes=20-30")[1].startswith("The specified copy range")


def test_checksums(s3, bucket):
    put = s3.put_object
    assert PROVOKED(put, Bucket=bucket, Key="k", Body=b"test", ChecksumSHA256="x")[1] == "Value for x-amz-checksum-sha256 header is invalid."
    assert PROVOKED(put, Bucket=bucket, Key="k", Body=b"test", ChecksumCRC32="AAAAAA==")[1] == "The CRC32 you specified did not match the calculated checksum."
    assert PROVOKED(put, Bucket=bucket, Key="k", Body=b"test", ContentMD5="000")[2] == {"Content-MD5": "000"}
    told = PROVOKED(put, Bucket=bucket, Key="k", Body=b"test", ContentMD5=ZEROS)
    assert told[0] == "BadDigest" and set(told[2]) == {"ExpectedDigest", "CalculatedDigest"}


def test_every_recorded_error_is_provoked_or_has_its_reason():
    if len(PROVOKED.found) < 50:
        pytest.skip("the other tests of this file provoke them")

    def stands_for(text):
        """Volatile values of a row stand for any."""
        return re.compile("".join(".*" if part.startswith("<") else re.escape(part) for part in re.split(r"(<[^>]+>)", text)) + "$", re.DOTALL)

    missing = []
    for line in TABLE.read_text().splitlines():
        if line.startswith("#") or line.startswith("code\t"):
            continue
        code, status, fields, text = line.split("\t")
        if any(code.startswith(known) and part in line for known, part, _ in NOT_HERE):
            continue
        keys = set(json.loads(fields)) - {"HostId", "RequestId"} if fields != "-" else set()
        if not any(
            code == found[0] and (status == "-" or int(status) == http) and keys == set(found[2]) and stands_for(text).match(found[1] or "None")
            for found, http in PROVOKED.found
        ):
            missing.append(line)
    assert not missing, f"{len(missing)}:\n" + "\n".join(missing)
