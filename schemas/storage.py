"""Options of places on S3 servers, as the file that UNLEARNABLE_STORAGE names gives them."""

from collections.abc import Mapping
from typing import Any, Literal, cast

from pydantic import Field, JsonValue, field_validator, model_validator

from schemas.base import Schema

# Names of secrets, as fsspec, botocore and S3's own parameters call them.
_SECRETS = {
    "key",
    "secret",
    "token",
    "username",
    "password",
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "ssecustomerkey",
    "copysourcessecustomerkey",
}
_ADVICE = "secrets don't belong in this file: name a profile, or set the AWS_* variables"


class PlaceOptions(Schema):
    """Options of the places below one URL prefix. What is left out is what botocore and fsspec find by themselves."""

    endpoint_url: str | None = Field(
        default=None, pattern=r"^https?://[^/@\s]+(/\S*)?$", description="Address of the S3 server."
    )
    region: str | None = Field(default=None, min_length=1, description="Region that requests are signed for.")
    profile: str | None = Field(default=None, min_length=1, description="Profile of the AWS files with the keys.")
    requester_pays: bool = Field(default=False, description="Agree to pay for requests, as some buckets demand.")
    server_side_encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = Field(
        default=None, description="How the server encrypts what is written."
    )
    sse_kms_key_id: str | None = Field(default=None, min_length=1, description="The key of aws:kms; needs that.")
    acl: str | None = Field(
        default=None, pattern=r"^[a-z-]+$", description="Canned access list of what is written, such as private."
    )
    extra: dict[str, JsonValue] = Field(
        default={}, description="Further parameters of S3's calls by their names there, such as StorageClass."
    )
    max_attempts: int | None = Field(
        default=None, ge=1, le=20, description="Tries of a request, the first counted. Default: 3."
    )
    connect_timeout: float | None = Field(default=None, gt=0, description="Seconds for a connection. Default: 5.")
    read_timeout: float | None = Field(default=None, gt=0, description="Seconds without a byte. Default: 15.")
    part_size: int = Field(
        default=50 << 20,
        ge=5 << 20,
        le=5 << 30,
        description="Bytes of a part; what is twice as large goes up in parts (AWS: 10,000 at most, none below 5 MiB).",
    )

    @model_validator(mode="before")
    @classmethod
    def _options_without_secrets(cls, given: Any) -> Any:
        return _without_secrets(given)

    @field_validator("extra", mode="before")
    @classmethod
    def _extra_without_secrets(cls, given: Any) -> Any:
        return _without_secrets(given)

    @model_validator(mode="after")
    def _key_with_kms(self) -> "PlaceOptions":
        if self.sse_kms_key_id and not str(self.server_side_encryption).startswith("aws:kms"):
            raise ValueError("sse_kms_key_id goes with server_side_encryption: aws:kms")
        return self


def _without_secrets(given: Any) -> Any:
    names: Mapping[object, object] = cast(Any, given) if isinstance(given, Mapping) else {}
    if any(str(name).lower() in _SECRETS for name in names):
        raise ValueError(_ADVICE)
    return cast(Any, given)
