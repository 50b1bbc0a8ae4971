"""A place as a user names it: a path or an fsspec URL."""

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from schemas.urls import CREDENTIALS, INSTEAD, has_credentials

CREDENTIALS_ERROR = "credentials_in_url"


def _without_credentials(url: str) -> str:
    if has_credentials(url):
        raise PydanticCustomError(CREDENTIALS_ERROR, f"{CREDENTIALS}: {INSTEAD}")
    return url


def _told_apart(url: str) -> str:
    # simplecache::s3://bucket is the place s3://bucket: whether two places are one could not be told any more.
    if "::" in url:
        raise ValueError(f"{url} chains file systems by ::, and can't be told from other places: name the place itself")
    return url


Place = Annotated[str, Field(min_length=1), AfterValidator(_without_credentials), AfterValidator(_told_apart)]
