"""Secrets masked in any text, such as what a library says of an address. Plain Python."""

import re

# As in schemas/urls.py, which a bare node does not have, but in the midst of a text: there an address ends at a space
# or a quote.
_CREDENTIALS = re.compile(
    r"://(?!arn:)[^/@:\s'\"]*:(?!\d+(?:[/\s]|$))[^\s'\"]*@|(?<=http)s?://[^/@\s'\"]+@", re.IGNORECASE
)
SECRET_IN_QUERY = re.compile(
    r"([?&][\w.-]*(?:signature|sig|token|secret|password|credential|accesskeyid)[\w.-]*=)[^&\s'\"]+", re.IGNORECASE
)


def redact(text: str) -> str:
    """`text` with three stars for the credentials of all addresses in it, and for the signatures in their queries."""
    masked = _CREDENTIALS.sub(lambda found: f"{found[0].partition('://')[0]}://***@", text)
    return SECRET_IN_QUERY.sub(r"\1***", masked)
