"""Addresses with credentials in them: such a one would be shown and stored wherever it goes, so none is taken."""

import re

# NAME:SECRET@ after the scheme, where the secret may have slashes, as Amazon's have; NAME:NUMBER/ is a host with its
# port, and arn: a name of Amazon's. An address of the web may have its secret for a name.
_ADDRESS = re.compile(r"://(?!arn:)[^/@:]*:(?!\d+(?:/|$)).*@|(?<=http)s?://[^/@]+@", re.DOTALL | re.IGNORECASE)
# Signatures and tokens of presigned addresses (X-Amz-Signature=, sig= and the like); infra/redaction.py has the same.
SECRET_IN_QUERY = re.compile(
    r"([?&][\w.-]*(?:signature|sig|token|secret|password|credential|accesskeyid)[\w.-]*=)[^&\s'\"]+", re.IGNORECASE
)
_NO_SECRETS = ("github://",)  # github://OWNER:REPOSITORY@BRANCH/ is how fsspec writes that
CREDENTIALS = "it has credentials in it, and an address is shown and stored"
INSTEAD = "give them in the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or in a profile, and change these"


def has_credentials(url: str) -> bool:
    """True for an address with a name and a secret in front of its host, or a signature or token in its query."""
    in_front = not url.startswith(_NO_SECRETS) and _ADDRESS.search(url) is not None
    return in_front or SECRET_IN_QUERY.search(url) is not None
