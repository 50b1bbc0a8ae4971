"""The bucket's secret key: every random choice that shapes the noise derives from it (HMAC-SHA256).

Whoever has the key can make the noise again and take it off, so the key is never logged, never put
into a record, and never written to a destination; records carry its fingerprint.
"""

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from infra.errors import ConfigurationError
from infra.storage import Folder

VARIABLE = "UNLEARNABLE_KEY"
FILE = "secret.key"
_SHORTEST = 8


@dataclass(frozen=True)
class BucketKey:
    """A secret key; its repr shows the fingerprint only."""

    secret: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """16 hex digits that tell two keys apart and say nothing else of them."""
        return self._derive("fingerprint").hex()[:16]

    def seed(self, *purpose: str) -> int:
        """A seed for one purpose: an integer from 0 to 2**63 - 1."""
        return int.from_bytes(self._derive("seed", *purpose)[:8], "big") >> 1

    def unit(self, *purpose: str) -> float:
        """A number in [0, 1) for one purpose, the same at every call."""
        return (int.from_bytes(self._derive("unit", *purpose)[:8], "big") >> 11) / (1 << 53)

    def _derive(self, *purpose: str) -> bytes:
        # Lengths keep ("ab", "c") and ("a", "bc") apart.
        text = b"".join(len(p.encode()).to_bytes(4, "big") + p.encode() for p in purpose)
        return hmac.new(self.secret, text, hashlib.sha256).digest()


def load_key(workspace: Folder, key_file: str | None, block_secret: str | None = None) -> BucketKey:
    """The key of a bucket: UNLEARNABLE_KEY, else `key_file`, else a Secret block, else one kept in the workspace.

    Raises ConfigurationError for a key that is too short or a file that can't be read.
    """
    if VARIABLE in os.environ:
        return _checked(os.environ[VARIABLE], f"the variable {VARIABLE}")
    if key_file is not None:
        try:
            return _checked(Path(key_file).expanduser().read_text(), key_file)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"key file {key_file} can't be read: {error}", "give a text file") from error
    if block_secret is not None:
        return _checked(block_secret, "the Secret block")
    kept = workspace.read_optional(FILE)
    if kept is None:
        workspace.write(FILE, (secrets.token_hex(32) + "\n").encode())
        if workspace.is_local:
            os.chmod(workspace.object_path(FILE), 0o600)
        kept = workspace.read(FILE)
    return _checked(kept.decode(errors="replace"), workspace.object_url(FILE))


def _checked(text: str, where: str) -> BucketKey:
    text = text.strip()
    if len(text) < _SHORTEST:
        raise ConfigurationError(f"the key in {where} has fewer than {_SHORTEST} characters", "use a longer one")
    return BucketKey(text.encode())
