"""Three buckets on any S3 server, a protect job in them, and what then lies there."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from schemas.dataset import SourceSpec
from schemas.protect import ProtectConfig
from tests.tasks.rewrite.helpers import config_of

BUCKETS = ("originals", "published", "private")


@contextlib.contextmanager
def buckets(client: Any) -> Iterator[Any]:
    """The three buckets, empty, and gone afterwards."""
    for bucket in BUCKETS:
        with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=bucket)
        clear(client, bucket)
    try:
        yield client
    finally:
        for bucket in BUCKETS:
            clear(client, bucket)
            client.delete_bucket(Bucket=bucket)


def clear(client: Any, bucket: str) -> None:
    """Remove all objects and all unfinished uploads of a bucket."""
    for upload in uploads(client, bucket):
        with contextlib.suppress(ClientError):
            client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    for one in _listed(client, bucket):
        client.delete_object(Bucket=bucket, Key=one["Key"])


def uploads(client: Any, bucket: str) -> list[dict[str, Any]]:
    """Multi-part uploads that nobody has completed or aborted."""
    return client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])


def upload(client: Any, folder: Path, bucket: str = "originals", prefix: str = "x") -> None:
    """Put every file below a folder."""
    for path in folder.rglob("*"):
        if path.is_file():
            client.put_object(Bucket=bucket, Key=f"{prefix}/{path.relative_to(folder)}", Body=path.read_bytes())


def objects(client: Any, bucket: str) -> dict[str, tuple[bytes, Any]]:
    """Every object of a bucket: its bytes and when it was written."""
    return {
        one["Key"]: (client.get_object(Bucket=bucket, Key=one["Key"])["Body"].read(), one["LastModified"])
        for one in _listed(client, bucket)
    }


def shards(client: Any, bucket: str = "published", prefix: str = "x/") -> dict[str, bytes]:
    """The protected shards by name."""
    found = objects(client, bucket)
    return {key.removeprefix(prefix): data for key, (data, _) in found.items() if key.endswith(".tar")}


def job(tmp_path: Path, **changes: Any) -> ProtectConfig:
    """A protect job from bucket to bucket, its workspace in the third."""
    spec = SourceSpec(url="s3://originals/x", shard_size=5)
    return config_of(tmp_path, spec, destination="s3://published/x", workspace="s3://private/x", **changes)


def one_line(caught: Any) -> str:
    """The text of a caught error, which is one line."""
    text = str(caught.value)
    assert "\n" not in text
    return text


def environment(monkeypatch: Any, nowhere: Path, access: str, secret: str) -> None:
    """Credentials that open nothing but the server of the tests; nothing is taken from the machine."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "UNLEARNABLE_KEY", "UNLEARNABLE_STORAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(nowhere / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(nowhere / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)


def _listed(client: Any, bucket: str) -> list[dict[str, Any]]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [one for page in pages for one in page.get("Contents", [])]
