"""Which options a place on an S3 server is reached with: the project's defaults, fsspec's configuration, a file."""

import hashlib
import os
import socket
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import fsspec
from fsspec.config import conf
from fsspec.core import url_to_fs
from pydantic import TypeAdapter, ValidationError

from infra.errors import ConfigurationError
from schemas.storage import PlaceOptions
from schemas.urls import CREDENTIALS, INSTEAD, has_credentials

VARIABLE = "UNLEARNABLE_STORAGE"
FINGERPRINT = "UNLEARNABLE_STORAGE_SHA256"  # what a run tells its workers: another file of that name is not the run's
_S3 = ("s3://", "s3a://")
_METHODS = ("GetObject", "HeadObject", "PutObject", "CreateMultipartUpload", "UploadPart", "ListObjectsV2")
_File = TypeAdapter(dict[str, PlaceOptions])


def filesystem(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The filesystem of a URL or local path (`~` is expanded), and the path on it. Raises ConfigurationError."""
    if has_credentials(url):
        scheme = url.partition("://")[0]
        raise ConfigurationError(f"an address {scheme}://... can't be used: {CREDENTIALS}", INSTEAD)
    is_s3 = url.startswith(_S3)
    options = s3fs_options(place_options(url)) if is_s3 else {}
    try:
        fs, path = url_to_fs(os.path.expanduser(url), **options)
    except (ValueError, ImportError, TypeError, AttributeError) as error:  # as filesystems raise on odd addresses
        mend = "give a path, or a URL such as s3://bucket/name"
        raise ConfigurationError(f"{url} names no place that can be reached: {error}", mend) from error
    if is_s3:
        fs.retries = 1
    return fs, path.rstrip("/")


def place_options(url: str) -> PlaceOptions:
    """Options of the S3 place `url`: those of the longest prefix in the file that UNLEARNABLE_STORAGE names.

    A prefix ends where a name does: s3://bucket/a is none of s3://bucket/ab. Raises ConfigurationError.
    """
    file = os.environ.get(VARIABLE)
    if not file:
        return PlaceOptions()
    fitting = [(prefix, options) for prefix, options in _read(file).items() if _normal(url).startswith(prefix)]
    return max(fitting, key=lambda pair: len(pair[0]))[1] if fitting else PlaceOptions()


def fingerprint() -> str | None:
    """SHA-256 of the file that UNLEARNABLE_STORAGE names; None when it names none or none is there."""
    file = os.environ.get(VARIABLE)
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else None
    except OSError:
        return None


def s3fs_options(given: PlaceOptions) -> dict[str, Any]:
    """`given` as keywords of s3fs.S3FileSystem, on top of what fsspec's own configuration says.

    Requests are tried again by botocore alone, with backoff and jitter, and its own variables decide how where they
    are set: s3fs's further tries, without jitter, would multiply with them, and with those of a task.
    """
    config, client = _configured("config_kwargs"), _configured("client_kwargs")
    parameters = {**_configured("s3_additional_kwargs"), **given.extra}
    retries: dict[str, Any] = {} if "AWS_RETRY_MODE" in os.environ else {"mode": "standard"}
    if given.max_attempts:
        retries["total_max_attempts"] = given.max_attempts
    config["retries"] = {**retries, **config.get("retries", {})}
    _set(config, connect_timeout=given.connect_timeout, read_timeout=given.read_timeout)
    _set(client, region_name=given.region)
    _set(parameters, ServerSideEncryption=given.server_side_encryption, SSEKMSKeyId=given.sse_kms_key_id, ACL=given.acl)
    found: dict[str, Any] = {"config_kwargs": config, "use_listings_cache": False}
    _set(found, client_kwargs=client or None, s3_additional_kwargs=parameters or None)
    _set(found, endpoint_url=given.endpoint_url, profile=given.profile, requester_pays=given.requester_pays or None)
    return found


def _set(target: dict[str, Any], **values: Any) -> None:
    target.update({name: value for name, value in values.items() if value is not None})


def _configured(name: str) -> dict[str, Any]:
    """A mapping of fsspec's own configuration for S3 (FSSPEC_S3 and its files)."""
    found = {**conf.get("s3", {}), **conf.get("s3a", {})}.get(name)
    return dict(found) if isinstance(found, Mapping) else {}


def _normal(url: str) -> str:
    return "s3://" + (url.partition("://")[2].strip("/") + "/").lstrip("/")


def _read(file: str) -> dict[str, PlaceOptions]:
    try:
        return _parsed(file, Path(file).stat().st_mtime_ns)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigurationError(f"{VARIABLE} names {file}, which can't be read: {reason}", "check it") from error


@cache
def _parsed(file: str, _changed: int) -> dict[str, PlaceOptions]:
    """The file's options by normal prefix. No message shows a value: it may be a secret in the wrong place."""
    import yaml  # slow to import, and seldom needed

    told, text = os.environ.get(FINGERPRINT), Path(file).read_text()
    if told and told != fingerprint():
        problem = f"{file} on {socket.gethostname()} is not what it is where the run was started"
        raise ConfigurationError(problem, "give each node the same file, and let it be while a run is under way")
    try:
        found = _File.validate_python(yaml.safe_load(text) or {})
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"{file}: {where}: {first['msg']}", "see docs/storage.md") from None
    except (yaml.YAMLError, ValueError, RecursionError):  # they quote the lines beside the mistake, or the value
        raise ConfigurationError(f"{file} is no YAML or JSON", "see docs/storage.md") from None
    for prefix, options in found.items():
        if not prefix.startswith(_S3):
            raise ConfigurationError(f"{file}: {prefix} is no URL of S3", "begin each name with s3://")
        _require_known(file, prefix, options.extra)
    return {_normal(prefix): options for prefix, options in found.items()}


def _require_known(file: str, prefix: str, names: Iterable[str]) -> None:
    """Raise ConfigurationError for a parameter that no call of ours takes: s3fs would drop it without a word."""
    for name in names:
        if name not in _known():
            problem = f"{file}: {prefix}: extra.{name} is no parameter of S3"
            raise ConfigurationError(problem, "write it as S3's interface does, such as StorageClass")


@cache
def _known() -> frozenset[str]:
    from botocore.session import get_session  # slow to import, and seldom needed

    model = get_session().get_service_model("s3")
    shapes: list[Any] = [model.operation_model(name).input_shape for name in _METHODS]
    return frozenset(name for shape in shapes for name in shape.members)
