"""The bucket policies of infra/policies: who may do what, and that it is what infra/storage.py needs."""

import re
from typing import Any, get_args

import pytest

from schemas.storage import PlaceOptions
from tests.infra.deployment_files import INFRA, documents

FILES = {file.stem: documents(file)[0] for file in sorted((INFRA / "policies").glob("*.json"))}
JOB = "arn:aws:iam::111122223333:role/unlearnable-protect"
READ = {"s3:ListBucket", "s3:GetObject"}
WRITE = {"s3:PutObject", "s3:DeleteObject"}
PARTS = {"s3:AbortMultipartUpload", "s3:ListBucketMultipartUploads"}
ACLS = {"s3:PutObjectAcl", "s3:PutObjectVersionAcl"}
OF_BUCKETS = {"s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"}


def several(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def statements(name: str, effect: str) -> list[dict[str, Any]]:
    return [each for each in FILES[name]["Statement"] if each["Effect"] == effect]


def allowed(name: str, principal: object) -> set[str]:
    own = [each for each in statements(name, "Allow") if each["Principal"] == principal]
    return {action for each in own for action in several(each["Action"])}


def test_there_is_a_policy_for_each_place():
    assert set(FILES) == {"source", "workspace", "destination-readers", "destination-public"}


@pytest.mark.parametrize("name", FILES)
def test_no_right_is_a_wildcard(name: str):
    for each in FILES[name]["Statement"]:
        assert [action for action in several(each["Action"]) if "*" in action] == []
        assert not {"NotAction", "NotPrincipal", "NotResource"} & set(each)


@pytest.mark.parametrize("name", FILES)
def test_actions_stand_with_what_they_are_on(name: str):
    for each in FILES[name]["Statement"]:
        on_objects = {resource.endswith("/*") for resource in several(each["Resource"])}
        assert on_objects == {action not in OF_BUCKETS for action in several(each["Action"])}
        assert len({resource.split(":::")[1].split("/")[0] for resource in several(each["Resource"])}) == 1


@pytest.mark.parametrize("name", FILES)
def test_everybody_is_granted_public_reading_at_most(name: str):
    public = [each for each in statements(name, "Allow") if each["Principal"] in ("*", {"AWS": "*"})]
    granted = [(each["Sid"], each["Action"]) for each in public]
    assert granted == ([("PublicRead", "s3:GetObject")] if name == "destination-public" else [])


@pytest.mark.parametrize("name", FILES)
def test_everything_is_refused_without_tls(name: str):
    (refusal,) = [each for each in statements(name, "Deny") if each["Sid"] == "RefuseWithoutTls"]
    assert refusal["Principal"] == "*"
    assert refusal["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    granted = {action for each in statements(name, "Allow") for action in several(each["Action"])}
    assert granted <= set(refusal["Action"])


@pytest.mark.parametrize("name", FILES)
def test_refusals_of_everybody_have_a_condition(name: str):
    """Without one they would shut out the job and the owner too."""
    assert [
        each["Sid"] for each in statements(name, "Deny") if each["Principal"] == "*" and "Condition" not in each
    ] == []


def test_source_is_read_only():
    assert allowed("source", {"AWS": JOB}) == READ
    refused = {
        action
        for each in statements("source", "Deny")
        if each["Principal"] == {"AWS": JOB}
        for action in each["Action"]
    }
    assert refused >= WRITE | ACLS


@pytest.mark.parametrize("name", ["workspace", "destination-readers", "destination-public"])
def test_what_is_written_can_be_listed_read_written_and_cleaned_up(name: str):
    lists = {"s3:PutObjectAcl"} if name.startswith("destination") else set[str]()
    assert allowed(name, {"AWS": JOB}) == READ | WRITE | PARTS | lists


@pytest.mark.parametrize("name", ["destination-readers", "destination-public"])
def test_the_access_list_of_the_docs_can_be_given_and_no_other(name: str):
    (grant,) = [each for each in statements(name, "Allow") if each["Action"] == "s3:PutObjectAcl"]
    text = (INFRA.parent / "docs" / "storage.md").read_text()
    used = {
        acl for block in re.findall(r"```yml\n(.*?)```", text, re.DOTALL) for acl in re.findall(r"acl: (\S+)", block)
    }
    assert used == {grant["Condition"]["StringEquals"]["s3:x-amz-acl"]}
    assert set(grant["Condition"]) == {"StringEquals"}


@pytest.mark.parametrize(
    ("name", "sid", "refused"),
    [
        ("workspace", "RefuseEveryoneElse", READ | WRITE | PARTS | ACLS),
        ("destination-readers", "RefuseChangesByAnyoneElse", WRITE | ACLS),
        ("destination-public", "RefuseChangesByAnyoneElse", WRITE | ACLS),
    ],
)
def test_others_are_kept_out(name: str, sid: str, refused: set[str]):
    (refusal,) = [each for each in statements(name, "Deny") if each["Sid"] == sid]
    spared = refusal["Condition"]["StringNotEquals"]["aws:PrincipalArn"]
    assert (JOB in spared, len(spared)) == (True, 2)
    assert set(refusal["Action"]) >= refused


def test_workspace_refuses_weaker_encryption_and_takes_the_buckets_own():
    """A negated condition holds when its key is absent: without `Null`, uploads that name none would be refused."""
    (refusal,) = [each for each in statements("workspace", "Deny") if each["Sid"] == "RefuseOtherEncryption"]
    key = "s3:x-amz-server-side-encryption"
    accepted = refusal["Condition"]["StringNotEquals"][key]
    assert refusal["Condition"] == {"Null": {key: "false"}, "StringNotEquals": {key: accepted}}
    options = get_args(PlaceOptions.model_fields["server_side_encryption"].annotation)
    offered = {one for part in options for one in get_args(part)}
    assert set(accepted) == {one for one in offered if one.startswith("aws:kms")} == {"aws:kms", "aws:kms:dsse"}


def test_workspace_refuses_keys_that_an_upload_brings_along():
    """SSE-C carries no header of the other kind, so that what demands KMS does not see it."""
    (refusal,) = [each for each in statements("workspace", "Deny") if each["Sid"] == "RefuseCustomerKeys"]
    assert (refusal["Principal"], refusal["Action"]) == ("*", "s3:PutObject")
    assert refusal["Condition"] == {"Null": {"s3:x-amz-server-side-encryption-customer-algorithm": "false"}}
