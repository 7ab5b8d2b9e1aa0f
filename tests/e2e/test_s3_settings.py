"""S3's input members, operation by operation: what holds for all of them holds for each, and what Hearth has not is refused.

The rows of `settings.tsv` that say `refused-with` are carried out here; the others name these tests or those of a file of
their own.
"""

import base64
import datetime
import hashlib
import http.client
import json

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from support import aws
from test_s3 import PART, content, new_bucket, refused
from test_settings import leaves, model, operations, rows

OTHER_ACCOUNT = "111111111111"
UPLOAD = "0" * 32
WHEN = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
#: Operations without a bucket that has to be there.
WITHOUT_BUCKET = {"CreateBucket", "ListBuckets"}
#: What a member is given where it is to be refused, if not by its type.
VALUES = {
    "StorageClass": "GLACIER",
    "ServerSideEncryption": "aws:kms",
    "SSECustomerKey": "k" * 32,
    "CopySourceSSECustomerKey": "k" * 32,
    "SSEKMSEncryptionContext": base64.b64encode(b"{}").decode(),
    "OptionalObjectAttributes": ["RestoreStatus"],
    "TransitionDefaultMinimumObjectSize": "varies_by_storage_class",
    "CreateBucketConfiguration.Tags": [{"Key": "a", "Value": "b"}],
    "RequestPaymentConfiguration.Payer": "Requester",
    "VersioningConfiguration.MFADelete": "Enabled",
}


def sample(bucket):
    """A value for each member that some operation cannot do without."""
    everything = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/none",
    }]}
    return {
        "Bucket": bucket,
        "Key": "k",
        "UploadId": UPLOAD,
        "PartNumber": 1,
        "CopySource": f"{bucket}/k",
        "ObjectAttributes": ["ETag"],
        "Delete": {"Objects": [{"Key": "nobody"}]},
        "CORSConfiguration": {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]},
        "ServerSideEncryptionConfiguration": {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]},
        "LifecycleConfiguration": {"Rules": [{"ID": "a", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}]},
        "NotificationConfiguration": {},
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "Policy": json.dumps(everything),
        "RequestPaymentConfiguration": {"Payer": "BucketOwner"},
        "Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]},
        "VersioningConfiguration": {"Status": "Enabled"},
        "PublicAccessBlockConfiguration": {"BlockPublicAcls": True},
        "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": "x"}]},
    }


def request(operation, bucket):
    """A call of that operation that is right but for what is added to it."""
    shape = model("s3")["shapes"][model("s3")["operations"][operation]["input"]["shape"]]
    wanted = set(shape.get("required", ())) | {"LifecycleConfiguration", "MultipartUpload"} & set(shape["members"])
    made = {name: value for name, value in sample(bucket).items() if name in wanted}
    if operation in ("PutBucketAcl", "PutObjectAcl"):
        made["ACL"] = "private"
    return made


def having(member):
    return [name for name in operations("s3") if member in leaves("s3", name)]


def ask(s3, operation, **arguments):
    return getattr(s3, xform_name(operation))(**arguments)


@pytest.fixture(scope="module")
def s3(server):
    return aws.client(server.url, "s3", parameter_validation=False)


@pytest.fixture
def bucket(s3):
    name = new_bucket(s3)
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    return name


def test_every_operation_is_about_its_bucket(s3):
    for operation in set(having("Bucket")) - WITHOUT_BUCKET:
        code, status = refused(getattr(s3, xform_name(operation)), **request(operation, "a-bucket-that-nobody-has"))
        assert (code, status) in (("NoSuchBucket", 404), ("404", 404)), operation


def test_every_operation_is_about_the_expected_owner_s_bucket(s3, bucket):
    for operation in having("ExpectedBucketOwner"):
        arguments = request(operation, bucket)
        code, status = refused(getattr(s3, xform_name(operation)), **arguments, ExpectedBucketOwner=OTHER_ACCOUNT)
        assert (code, status) in (("AccessDenied", 403), ("403", 403)), operation
    for operation in having("ExpectedSourceBucketOwner"):
        arguments = request(operation, bucket)
        code, status = refused(getattr(s3, xform_name(operation)), **arguments, ExpectedSourceBucketOwner=OTHER_ACCOUNT)
        assert (code, status) == ("AccessDenied", 403), operation
    assert s3.get_object(Bucket=bucket, Key="k", ExpectedBucketOwner=aws.ACCOUNT)["Body"].read() == b"x"


def refusals():
    return [row for row in rows() if row[0] in operations("s3") and row[2] == "refused-with" and row[1] in leaves("s3", row[0])]


def value_of(operation, path):
    """A value of the member's type, where none is given above."""
    if (value := VALUES.get(path, VALUES.get(path.rsplit(".", 1)[-1]))) is not None:
        return value
    shapes = model("s3")["shapes"]
    shape = shapes[model("s3")["operations"][operation]["input"]["shape"]]
    for name in path.split("."):
        shape = shapes[shape["members"][name]["shape"]]
    return {"boolean": True, "integer": 1, "long": 1, "timestamp": WHEN}.get(shape["type"]) or shape.get("enum", ["x"])[0]


@pytest.mark.parametrize("operation, member, code", [row[:2] + row[3:] for row in refusals()], ids=lambda text: text)
def test_what_hearth_has_not_is_refused(s3, bucket, operation, member, code):
    arguments = request(operation, bucket if operation != "CreateBucket" else aws.function_name("bucket"))
    at, *rest = member.split(".")
    if "Grant" in at:
        arguments.pop("ACL", None)
    value = value_of(operation, member)
    for name in reversed(rest):
        value = {name: value}
    arguments[at] = arguments.get(at, {}) | value if isinstance(value, dict) else value
    found, status = refused(getattr(s3, xform_name(operation)), **arguments)
    # What asks for the head alone is told the status alone.
    assert found in (code, str(status)) and status in (400, 501), (found, status)


def test_who_would_pay_is_answered_as_everybody(s3, bucket):
    asked = set()

    def pay(operation, **arguments):
        answer = ask(s3, operation, Bucket=bucket, **arguments, RequestPayer="requester")
        assert "RequestCharged" not in answer, operation
        asked.add(operation)
        return answer

    pay("PutObject", Key="a", Body=b"x")
    pay("CopyObject", Key="b", CopySource=f"{bucket}/a")
    for operation in ("GetObject", "HeadObject", "GetObjectTagging", "GetObjectAcl"):
        pay(operation, Key="a")
    pay("GetObjectAttributes", Key="a", ObjectAttributes=["ETag"])
    pay("PutObjectTagging", Key="a", Tagging={"TagSet": []})
    pay("PutObjectAcl", Key="a", ACL="private")
    for operation in ("ListObjects", "ListObjectsV2", "ListObjectVersions", "ListMultipartUploads", "GetBucketAccelerateConfiguration"):
        pay(operation)
    upload = {"Key": "c", "UploadId": pay("CreateMultipartUpload", Key="c")["UploadId"]}
    part = pay("UploadPart", **upload, PartNumber=1, Body=b"x")
    pay("UploadPartCopy", **upload, PartNumber=2, CopySource=f"{bucket}/a")
    pay("ListParts", **upload)
    pay("CompleteMultipartUpload", **upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    pay("AbortMultipartUpload", Key="d", UploadId=s3.create_multipart_upload(Bucket=bucket, Key="d")["UploadId"])
    pay("DeleteObject", Key="a")
    pay("DeleteObjects", Delete={"Objects": [{"Key": "b"}]})
    assert asked == set(having("RequestPayer"))


#: Of these the bytes are an object's: test_s3.py.
OF_BYTES = {"PutObject", "UploadPart", "CopyObject", "CreateMultipartUpload"}


def test_a_document_is_compared_with_its_digests(server, bucket):
    wrong_md5 = base64.b64encode(hashlib.md5(b"another").digest()).decode()
    for operation in set(having("ContentMD5")) - OF_BYTES:
        s3 = aws.client(server.url, "s3")
        call = getattr(s3, xform_name(operation))
        assert refused(call, **request(operation, bucket), ContentMD5=wrong_md5) == ("BadDigest", 400), operation
    for operation in set(having("ChecksumAlgorithm")) - OF_BYTES:
        for algorithm in ("CRC32", "SHA256"):
            s3 = aws.client(server.url, "s3")
            arguments = request(operation, bucket) | {"ChecksumAlgorithm": algorithm}
            ask(s3, operation, **arguments)
            # Of nothing the CRC is zero.
            spoilt = base64.b64encode(b"\xff" * (4 if algorithm == "CRC32" else 32)).decode()

            def spoil(request, spoilt=spoilt, header=f"x-amz-checksum-{algorithm.lower()}", **_):
                assert header in request.headers
                request.headers.replace_header(header, spoilt)

            s3.meta.events.register("before-sign.s3", spoil)
            assert refused(getattr(s3, xform_name(operation)), **arguments) == ("BadDigest", 400), operation


def test_acls_give_nothing_to_others(s3, bucket):
    owner = s3.get_bucket_acl(Bucket=bucket)["Owner"]
    assert s3.get_object_acl(Bucket=bucket, Key="k")["Owner"] == owner
    full = {"Grantee": {"Type": "CanonicalUser", "ID": owner["ID"]}, "Permission": "FULL_CONTROL"}
    other = full | {"Grantee": {"Type": "CanonicalUser", "ID": "0" * 64}}
    for put, more in ((s3.put_bucket_acl, {}), (s3.put_object_acl, {"Key": "k"})):
        put(Bucket=bucket, **more, ACL="private")
        put(Bucket=bucket, **more, AccessControlPolicy={"Owner": owner, "Grants": [full]})
        named = {"ID": owner["ID"], "DisplayName": "somebody"}
        put(Bucket=bucket, **more, AccessControlPolicy={"Owner": named, "Grants": [full]})
        for wrong in ({"Owner": owner, "Grants": [other]}, {"Owner": {"ID": "0" * 64}, "Grants": [full]}):
            told = refused(put, Bucket=bucket, **more, AccessControlPolicy=wrong)
            assert told == ("AccessControlListNotSupported", 400), wrong
        assert refused(put, Bucket=bucket, **more, ACL="public-read") == ("AccessControlListNotSupported", 400)
    public = {"Bucket": bucket, "Key": "n", "ACL": "public-read"}
    assert refused(s3.put_object, **public) == ("AccessControlListNotSupported", 400)
    assert refused(s3.copy_object, **public, CopySource=f"{bucket}/k") == ("AccessControlListNotSupported", 400)
    assert refused(s3.create_multipart_upload, **public) == ("AccessControlListNotSupported", 400)
    assert refused(s3.create_bucket, Bucket=aws.function_name("bucket"), ACL="public-read")[1] == 400
    s3.put_object(**public | {"ACL": "bucket-owner-full-control"})


def test_a_copy_may_depend_on_source_and_target(s3, bucket):
    source = s3.head_object(Bucket=bucket, Key="k")
    copy = {"Bucket": bucket, "Key": "c", "CopySource": f"{bucket}/k"}
    first = s3.copy_object(**copy, IfNoneMatch="*")["CopyObjectResult"]["ETag"]
    assert refused(s3.copy_object, **copy, IfNoneMatch="*") == ("PreconditionFailed", 412)
    s3.copy_object(**copy, IfMatch=first, MetadataDirective="REPLACE")
    assert refused(s3.copy_object, **copy, IfMatch='"other"') == ("PreconditionFailed", 412)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="p")["UploadId"]
    part = {"Bucket": bucket, "Key": "p", "UploadId": upload, "PartNumber": 1, "CopySource": f"{bucket}/k"}
    past, later = (source["LastModified"] + datetime.timedelta(days=days) for days in (-1, 1))
    for call, arguments in ((s3.copy_object, copy), (s3.upload_part_copy, part)):
        call(**arguments, CopySourceIfMatch=source["ETag"], CopySourceIfUnmodifiedSince=later)
        call(**arguments, CopySourceIfNoneMatch='"other"', CopySourceIfModifiedSince=past)
        for condition in (
            {"CopySourceIfMatch": '"other"'}, {"CopySourceIfNoneMatch": source["ETag"]},
            {"CopySourceIfModifiedSince": source["LastModified"]}, {"CopySourceIfUnmodifiedSince": past},
        ):
            assert refused(call, **arguments, **condition) == ("PreconditionFailed", 412), condition


def test_headers_are_kept_replaced_and_overridden(s3, bucket):
    kept = {
        "CacheControl": "no-cache", "ContentDisposition": "inline", "ContentEncoding": "gzip", "ContentLanguage": "de",
        "ContentType": "text/one", "Expires": WHEN,
    }
    instead = {
        "CacheControl": "max-age=7", "ContentDisposition": "attachment", "ContentEncoding": "br", "ContentLanguage": "en",
        "ContentType": "text/two", "Expires": WHEN + datetime.timedelta(days=1),
    }

    def shown(answer):
        return {name: answer[name] for name in kept}

    s3.put_object(Bucket=bucket, Key="h", Body=b"x", **kept, Metadata={"a": "1"})
    upload = s3.create_multipart_upload(Bucket=bucket, Key="u", **kept, Metadata={"a": "1"}, Tagging="t=1")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="u", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="u", UploadId=upload, MultipartUpload=parts)
    assert s3.get_object_tagging(Bucket=bucket, Key="u")["TagSet"] == [{"Key": "t", "Value": "1"}]
    s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/h", MetadataDirective="REPLACE", **instead, Tagging="t=2", TaggingDirective="REPLACE")
    assert s3.get_object_tagging(Bucket=bucket, Key="c")["TagSet"] == [{"Key": "t", "Value": "2"}]
    overrides = {f"Response{name}": value for name, value in instead.items()}
    for read in (s3.get_object, s3.head_object):
        for key in ("h", "u"):
            assert shown(read(Bucket=bucket, Key=key)) == kept
            assert shown(read(Bucket=bucket, Key=key, **overrides)) == instead
            assert read(Bucket=bucket, Key=key)["Metadata"] == {"a": "1"}
        assert shown(read(Bucket=bucket, Key="c")) == instead and read(Bucket=bucket, Key="c")["Metadata"] == {}


def test_a_head_is_asked_for_as_the_object_is(s3, bucket):
    etag, modified = (s3.head_object(Bucket=bucket, Key="k")[name] for name in ("ETag", "LastModified"))
    past = modified - datetime.timedelta(days=1)
    for name, value, status in (
        ("IfMatch", '"other"', 412), ("IfNoneMatch", etag, 304), ("IfModifiedSince", modified, 304), ("IfUnmodifiedSince", past, 412),
    ):
        assert refused(s3.head_object, Bucket=bucket, Key="k", **{name: value}) == (str(status), status)
    s3.put_object(Bucket=bucket, Key="ten", Body=b"0123456789")
    assert s3.head_object(Bucket=bucket, Key="ten", Range="bytes=2-4")["ContentLength"] == 3
    assert s3.head_object(Bucket=bucket, Key="ten", PartNumber=1)["ContentLength"] == 10
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"longer")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"the longest")
    assert s3.head_object(Bucket=bucket, Key="k", VersionId=version)["ContentLength"] == 6
    attributes = s3.get_object_attributes(Bucket=bucket, Key="k", VersionId=version, ObjectAttributes=["ObjectSize"])
    assert attributes["ObjectSize"] == 6 and "ETag" not in attributes
    assert s3.get_object_acl(Bucket=bucket, Key="k", VersionId=version)["Grants"]
    s3.put_object_acl(Bucket=bucket, Key="k", VersionId=version, ACL="private")
    assert refused(s3.get_object_acl, Bucket=bucket, Key="none", VersionId=version)[1] in (403, 404)
    s3.put_object_tagging(Bucket=bucket, Key="k", VersionId=version, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    assert s3.get_object_tagging(Bucket=bucket, Key="k", VersionId=version)["TagSet"] == [{"Key": "a", "Value": "b"}]
    s3.delete_object_tagging(Bucket=bucket, Key="k", VersionId=version)
    assert s3.get_object_tagging(Bucket=bucket, Key="k", VersionId=version)["TagSet"] == []


def test_lists_of_objects_go_on_where_they_are_told_to(s3, bucket):
    for key in ("a/1", "a/2", "b +", "c"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    everything = ["a/1", "a/2", "b +", "c", "k"]
    for call, start, of in ((s3.list_objects, "Marker", "Contents"), (s3.list_objects_v2, "StartAfter", "Contents"), (s3.list_object_versions, "KeyMarker", "Versions")):
        keys = lambda of=of, call=call, **more: [entry["Key"] for entry in call(Bucket=bucket, **more).get(of, [])]  # noqa: E731
        assert keys() == everything
        assert keys(**{start: "a/2"}) == ["b +", "c", "k"]
        assert keys(Prefix="a/") == ["a/1", "a/2"] and keys(MaxKeys=2) == ["a/1", "a/2"]
        assert keys(Delimiter="/") == ["b +", "c", "k"]
        assert call(Bucket=bucket, Delimiter="/")["CommonPrefixes"] == [{"Prefix": "a/"}]
        # The client takes the encoding off only when it has asked for it by itself.
        assert "b%20%2B" in keys(EncodingType="url") or "b+%2B" in keys(EncodingType="url")
    first = s3.list_objects_v2(Bucket=bucket, MaxKeys=3)
    assert "Owner" not in first["Contents"][0]
    rest = s3.list_objects_v2(Bucket=bucket, ContinuationToken=first["NextContinuationToken"], FetchOwner=True)
    assert [entry["Key"] for entry in rest["Contents"]] == ["c", "k"]
    assert rest["Contents"][0]["Owner"]["ID"] == s3.get_bucket_acl(Bucket=bucket)["Owner"]["ID"]
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    versions = [s3.put_object(Bucket=bucket, Key="c", Body=b"x")["VersionId"] for _ in range(2)]
    behind = s3.list_object_versions(Bucket=bucket, KeyMarker="c", VersionIdMarker=versions[1])["Versions"]
    assert [(entry["Key"], entry["VersionId"]) for entry in behind] == [("c", versions[0]), ("c", "null"), ("k", "null")]


def test_lists_of_uploads_and_parts_go_on_where_they_are_told_to(s3, bucket):
    begin = lambda key: s3.create_multipart_upload(Bucket=bucket, Key=key, ChecksumAlgorithm="SHA256")  # noqa: E731
    made = sorted((key, begin(key)["UploadId"]) for key in ("a/1", "a/2", "b +", "b +", "c"))
    uploads = lambda **more: [(entry["Key"], entry["UploadId"]) for entry in s3.list_multipart_uploads(Bucket=bucket, **more).get("Uploads", [])]  # noqa: E731
    assert sorted(uploads()) == made
    assert [key for key, _ in uploads(MaxUploads=2)] == ["a/1", "a/2"] and [key for key, _ in uploads(Prefix="a/")] == ["a/1", "a/2"]
    assert [key for key, _ in uploads(KeyMarker="b +")] == ["c"] and [key for key, _ in uploads(Delimiter="/")] == ["b +", "b +", "c"]
    two = [id for key, id in uploads() if key == "b +"]
    assert uploads(KeyMarker="b +", UploadIdMarker=two[0])[0] == ("b +", two[1])
    assert {key for key, _ in uploads(EncodingType="url")} & {"b%20%2B", "b+%2B"}
    one = {"Bucket": bucket, "Key": "c", "UploadId": made[-1][1]}
    sent = [s3.upload_part(**one, PartNumber=number, Body=content(PART), ChecksumAlgorithm="SHA256") for number in (1, 2, 3)]
    page = s3.list_parts(**one, MaxParts=1)
    assert ([part["PartNumber"] for part in page["Parts"]], page["IsTruncated"]) == ([1], True)
    assert [part["PartNumber"] for part in s3.list_parts(**one, PartNumberMarker=1)["Parts"]] == [2, 3]
    named = {"Parts": [{"PartNumber": n} | {name: part[name] for name in ("ETag", "ChecksumSHA256")} for n, part in enumerate(sent, 1)]}
    assert refused(s3.complete_multipart_upload, **one, MultipartUpload=named, IfMatch='"x"') in (("NoSuchKey", 404), ("PreconditionFailed", 412))
    s3.complete_multipart_upload(**one, MultipartUpload=named, IfNoneMatch="*", MpuObjectSize=3 * PART)
    attributes = s3.get_object_attributes(Bucket=bucket, Key="c", ObjectAttributes=["ObjectParts"], MaxParts=1, PartNumberMarker=1)["ObjectParts"]
    assert (attributes["TotalPartsCount"], attributes["IsTruncated"], attributes["MaxParts"]) == (3, True, 1)


def test_lists_of_buckets_go_on_where_they_are_told_to(server):
    s3, away = (aws.client(server.url, "s3", key="210987654321", region=region) for region in ("us-east-1", "eu-central-1"))
    names = sorted(aws.function_name(hint) for hint in ("one", "one", "two"))
    for name in names:
        s3.create_bucket(Bucket=name)
    there = aws.function_name("two")
    away.create_bucket(Bucket=there, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    first = s3.list_buckets(MaxBuckets=2, Prefix="one-")
    assert [bucket["Name"] for bucket in first["Buckets"]] == names[:2]
    page = s3.list_buckets(MaxBuckets=1)
    rest = s3.list_buckets(ContinuationToken=page["ContinuationToken"])["Buckets"]
    assert {bucket["Name"] for bucket in rest} == {*names, there} - {page["Buckets"][0]["Name"]}
    assert [bucket["Name"] for bucket in s3.list_buckets(BucketRegion="eu-central-1")["Buckets"]] == [there]


def test_what_a_bucket_is_set_to_is_what_it_says(s3, bucket):
    tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
    s3.put_bucket_tagging(Bucket=bucket, Tagging=tags)
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags["TagSet"]
    s3.delete_bucket_tagging(Bucket=bucket)
    assert refused(s3.get_bucket_tagging, Bucket=bucket) == ("NoSuchTagSet", 404)
    block = {"BlockPublicAcls": True, "IgnorePublicAcls": False, "BlockPublicPolicy": True, "RestrictPublicBuckets": False}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == block
    owned = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=owned)
    assert s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"] == owned
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": True}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    [shown] = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert shown | rule == shown
    s3.delete_bucket_encryption(Bucket=bucket)
    [shown] = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert shown["BucketKeyEnabled"] is False
    made = aws.function_name("bucket")
    s3.create_bucket(Bucket=made, ObjectOwnership="BucketOwnerPreferred")
    assert s3.get_bucket_ownership_controls(Bucket=made)["OwnershipControls"] == owned
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}], "Quiet": True})
    assert "Deleted" not in quiet and "Errors" not in quiet
    with pytest.raises(ClientError):
        s3.head_object(Bucket=bucket, Key="k")


NINE = b"123456789"
#: Of these nine bytes, hexadecimal. Source: the check values of the CRC catalogue; hashlib.
DIGESTS = {
    "CRC32": "cbf43926",
    "CRC32C": "e3069283",
    "CRC64NVME": "ae8b14860a799888",
    "SHA1": hashlib.sha1(NINE).hexdigest(),
    "SHA256": hashlib.sha256(NINE).hexdigest(),
}
CHECKSUMS = {name: base64.b64encode(bytes.fromhex(digest)).decode() for name, digest in DIGESTS.items()}
ZEROS = {name: base64.b64encode(bytes(len(digest) // 2)).decode() for name, digest in DIGESTS.items()}


def test_the_bytes_of_a_part_are_compared_with_what_is_said_of_them(server, s3, bucket):
    for name, checksum in CHECKSUMS.items():
        upload = s3.create_multipart_upload(Bucket=bucket, Key=name, ChecksumAlgorithm=name)["UploadId"]
        part = {"Bucket": bucket, "Key": name, "UploadId": upload, "PartNumber": 1, "Body": NINE}
        whole = {"Bucket": bucket, "Key": name, "Body": NINE}
        for call, arguments in ((s3.upload_part, part), (s3.put_object, whole)):
            assert call(**arguments, **{f"Checksum{name}": checksum})[f"Checksum{name}"] == checksum
            assert refused(call, **arguments, **{f"Checksum{name}": ZEROS[name]}) == ("BadDigest", 400)
        # Whoever names an algorithm has to keep to it.
        other = "SHA1" if name != "SHA1" else "SHA256"
        assert refused(s3.upload_part, **part, ChecksumAlgorithm=other, **{f"Checksum{other}": CHECKSUMS[other]}) == ("InvalidRequest", 400)
    # A body that ends before its length.
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="short")["UploadId"]
    wrong = {"Bucket": bucket, "Key": "short", "UploadId": upload, "PartNumber": 1, "Body": NINE}
    assert refused(s3.upload_part, **wrong, ContentMD5=base64.b64encode(bytes(16)).decode()) == ("BadDigest", 400)
    for target in ("short", f"short?partNumber=1&uploadId={upload}"):
        connection.putrequest("PUT", f"/{bucket}/{target}")
        connection.putheader("Content-Length", "10")
        connection.endheaders(b"four")
        connection.close()
    assert refused(s3.head_object, Bucket=bucket, Key="short") == ("404", 404)
    assert "Parts" not in s3.list_parts(Bucket=bucket, Key="short", UploadId=upload)


def test_the_checksum_of_a_completed_upload_is_compared(s3, bucket):
    for name, checksum in CHECKSUMS.items():
        is_hash = name.startswith("SHA")
        kind = "COMPOSITE" if is_hash else "FULL_OBJECT"
        whole = checksum
        if is_hash:
            whole = base64.b64encode(hashlib.new(name.lower(), bytes.fromhex(DIGESTS[name])).digest()).decode() + "-1"
        made = s3.create_multipart_upload(Bucket=bucket, Key=name, ChecksumAlgorithm=name, ChecksumType=kind)
        upload = {"Bucket": bucket, "Key": name, "UploadId": made["UploadId"]}
        tag = s3.upload_part(**upload, PartNumber=1, Body=NINE, **{f"Checksum{name}": checksum})["ETag"]
        named = {"MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": tag, f"Checksum{name}": checksum}]}}
        assert refused(s3.complete_multipart_upload, **upload, **named, **{f"Checksum{name}": ZEROS[name]}) == ("BadDigest", 400)
        done = s3.complete_multipart_upload(**upload, **named, **{f"Checksum{name}": whole})
        assert (done[f"Checksum{name}"], done["ChecksumType"]) == (whole, kind)


def test_copies_have_the_checksum_that_is_asked_for(s3, bucket):
    s3.put_object(Bucket=bucket, Key="nine", Body=NINE)
    for name, checksum in CHECKSUMS.items():
        copied = s3.copy_object(Bucket=bucket, Key=name, CopySource=f"{bucket}/nine", ChecksumAlgorithm=name)
        assert copied["CopyObjectResult"][f"Checksum{name}"] == checksum
    wrong = {"CopySource": f"{bucket}/nine", "ChecksumAlgorithm": "SHA3"}
    assert refused(s3.copy_object, Bucket=bucket, Key="x", **wrong) == ("InvalidRequest", 400)
