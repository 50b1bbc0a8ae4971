"""Addresses with credentials in them are refused, and masked in any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from infra import redaction
from infra.errors import ConfigurationError, DataError, StorageError
from infra.redaction import redact
from infra.storage import Folder
from schemas import urls
from schemas.dataset import SourceSpec
from schemas.evaluate import EvaluateConfig
from schemas.experiments import ReproduceConfig
from schemas.protect import ProtectConfig
from schemas.urls import has_credentials
from schemas.victims import LinearProbeVictim

SECRET = "wJalr/XUtn+FEMI"
WITH = [
    f"s3://NAME:{SECRET}@bucket/x",
    f"s3a://:{SECRET}@bucket",
    f"simplecache::s3://NAME:{SECRET}@bucket/x",
    f"https://user:{SECRET}@host/x.tar",
    f"https://{SECRET.replace('/', '')}@host/x.tar",
    f"HTTPS://user:{SECRET}@host",
    f"ftp://user:{SECRET}@host:21/x",
    f"s3://NAME:a b{SECRET}@bucket/x",
    f"s3://NAME:a@{SECRET}@bucket/x",
    f"https://host/x.tar?X-Amz-Signature={SECRET}",
    f"https://host/x.tar?X-Amz-Date=1&x-amz-security-token={SECRET}",
    f"https://account.blob.core.windows.net/container/x.tar?sv=1&sig={SECRET}",
    f"abfs://container@account/x?sig={SECRET}",
    f"https://storage.googleapis.com/b/x?X-Goog-Signature={SECRET}",
    f"github://owner:repository@main/x?token={SECRET}",
]
WITHOUT = [
    "a/b@c",
    "/data/a:b@c/x",
    "s3://bucket/x@y:z",
    "s3://bucket/a:b@c",
    "http://127.0.0.1:9000/x@y",
    "https://host/x@y",
    "s3://arn:aws:s3:us-west-2:123456789012:accesspoint/name/x@y",
    "sftp://user@host/x",
    "abfs://container@account.dfs.core.windows.net/x",
    "github://owner:repository@main/x",
    "torchvision://CIFAR10?root=/a:b@c",
    "https://host/x.tar?version=3&part=signature",
    "https://host/signature=a/token/x.tar",
    "memory://x",
    "digits",
]


@pytest.mark.parametrize("url", WITH)
def test_an_address_with_credentials_is_told(url):
    assert has_credentials(url)


@pytest.mark.parametrize("url", WITHOUT)
def test_an_address_without_them_is_left_alone(url):
    assert not has_credentials(url)
    assert Folder(url).url == SourceSpec(url=url).url == url


@given(st.text(st.characters(exclude_characters="/@:", exclude_categories=("Cs",)), max_size=9), st.text(min_size=1))
def test_any_secret_is_found_out(name, secret):
    assert has_credentials(f"s3://{name}:x{secret}@bucket/x")


@given(
    st.sampled_from("?&"),
    st.sampled_from(["sig", "Signature", "X-Amz-Signature", "X-Amz-Credential", "access_token", "AWSAccessKeyId"]),
    st.from_regex(r"[A-Za-z0-9%+/=._-]{1,40}", fullmatch=True),
    st.sampled_from(["https", "s3", "abfs", "gs", "torchvision"]),
)
def test_any_signature_in_a_query_is_found_out(lead, name, secret, scheme):
    assert has_credentials(f"{scheme}://place/x.tar?a=1{lead}{name}={secret}")


@given(st.from_regex(r"[A-Za-z0-9+/=_.~!*-]{8,40}", fullmatch=True), st.sampled_from(["s3", "https", "ftp", "gs"]))
def test_no_secret_is_left_in_a_text(secret, scheme):
    secret = f"x{secret}"
    text = f"can't read {scheme}://name:{secret}@place/x: bucket {scheme}://name:{secret}@place is '{secret[:0]}'"
    assert secret not in redact(text)
    assert redact(text).count(f"{scheme}://***@place") == 2


@pytest.mark.parametrize(
    "query", ["?X-Amz-Signature=abc123", "?a=b&sig=abc123", "?AWSAccessKeyId=abc123&b=c", "?access_token=abc123"]
)
def test_signatures_in_queries_are_masked(query):
    assert "abc123" not in redact(f"can't read https://host/x.tar{query}: no")
    assert redact("torchvision://CIFAR10?root=/data&train=1") == "torchvision://CIFAR10?root=/data&train=1"


@pytest.mark.parametrize("kind", [ConfigurationError, DataError, StorageError])
def test_no_error_of_ours_repeats_a_secret(kind):
    error = kind(f"can't read s3://NAME:{SECRET}@bucket/x", f"see s3://NAME:{SECRET}@bucket/x")
    for text in (str(error), repr(error), error.problem, error.mend, repr(error.__reduce__())):
        assert SECRET not in text
        assert "s3://***@bucket/x" in text


FIELDS = [
    (SourceSpec, {}, "url"),
    (ProtectConfig, {}, "destination"),
    (ProtectConfig, {}, "workspace"),
    (ProtectConfig, {}, "noise_store"),
    (ProtectConfig, {}, "mapping"),
    (ProtectConfig, {}, "key_file"),
    (EvaluateConfig, {}, "workspace"),
    (ReproduceConfig, {}, "workspace"),
    (ReproduceConfig, {}, "data_folder"),
    (LinearProbeVictim, {}, "weights"),
]


@pytest.mark.parametrize("url", WITH)
@pytest.mark.parametrize(("model", "others", "field"), FIELDS, ids=lambda each: getattr(each, "__name__", str(each)))
def test_no_configuration_takes_one_and_the_refusal_does_not_show_it(model, others, field, url):
    with pytest.raises(ValidationError) as caught:
        model.model_validate({**others, field: url})
    assert "credentials_in_url" in {each["type"] for each in caught.value.errors()}
    assert SECRET not in str(caught.value)


def test_lists_and_mappings_of_places_are_held_to_it_too():
    for model, fields in (
        (EvaluateConfig, {"protected": [WITH[0]]}),
        (ReproduceConfig, {"data": {"cifar10": WITH[0]}}),
    ):
        with pytest.raises(ValidationError) as caught:
            model.model_validate(fields)
        assert "credentials_in_url" in {each["type"] for each in caught.value.errors()}


@pytest.mark.parametrize("url", WITH)
def test_no_folder_is_opened_by_one(url):
    with pytest.raises(ConfigurationError, match="credentials") as caught:
        Folder(url).read("x")
    for part in (SECRET, SECRET.replace("/", "")):
        assert part not in str(caught.value)


@pytest.mark.parametrize("url", ["simplecache::s3://bucket/x", "filecache::/data/x", "dir::x", "zip://a::s3://b/c.zip"])
@pytest.mark.parametrize(("model", "others", "field"), FIELDS, ids=lambda each: getattr(each, "__name__", str(each)))
def test_no_place_is_named_by_a_chain_that_hides_which_it_is(model, others, field, url):
    with pytest.raises(ValidationError, match="can't be told from other places: name the place itself"):
        model.model_validate({**others, field: url})


def test_what_counts_as_a_secret_in_a_query_is_what_is_masked():
    assert urls.SECRET_IN_QUERY == redaction.SECRET_IN_QUERY
