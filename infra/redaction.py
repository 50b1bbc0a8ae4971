"""Secrets masked in any text, such as what a library says of an address. Plain Python."""

import re

from schemas.urls import SECRET_IN_QUERY

# As in schemas/urls.py, but in the midst of a text: an address ends at a space or a quote.
_CREDENTIALS = re.compile(
    r"://(?!arn:)[^/@:\s'\"]*:(?!\d+(?:[/\s]|$))[^\s'\"]*@|(?<=http)s?://[^/@\s'\"]+@", re.IGNORECASE
)


def redact(text: str) -> str:
    """`text` with three stars for the credentials of all addresses in it, and for the signatures in their queries."""
    masked = _CREDENTIALS.sub(lambda found: f"{found[0].partition('://')[0]}://***@", text)
    return SECRET_IN_QUERY.sub(r"\1***", masked)
