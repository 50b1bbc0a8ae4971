"""The bucket's secret key: every random choice that shapes the noise derives from it (HMAC-SHA256).

Whoever has the key can make the noise again and take it off, so the key is never logged, never put
into a record, and never written to a destination; records carry its fingerprint.
"""

import hashlib
import hmac
from dataclasses import dataclass, field


@dataclass(frozen=True)
class BucketKey:
    """A secret key; its repr shows the fingerprint only."""

    secret: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """16 hex digits that tell two keys apart and say nothing else of them."""
        return self._derive("fingerprint").hex()[:16]

    def seed(self, *purpose: str) -> int:
        """A seed for one purpose: an integer from 0 to 2**63 - 1. Torch's generator on the CPU heeds 32 bits of it."""
        return int.from_bytes(self._derive("seed", *purpose)[:8], "big") >> 1

    def wide_seed(self, *purpose: str) -> int:
        """A seed from 0 to 2**128 - 1 for what must not be found by trying: numpy's Philox takes it whole."""
        return int.from_bytes(self._derive("wide seed", *purpose)[:16], "big")

    def unit(self, *purpose: str) -> float:
        """A number in [0, 1) for one purpose, the same at every call."""
        return (int.from_bytes(self._derive("unit", *purpose)[:8], "big") >> 11) / (1 << 53)

    def _derive(self, *purpose: str) -> bytes:
        # Lengths keep ("ab", "c") and ("a", "bc") apart.
        text = b"".join(len(p.encode()).to_bytes(4, "big") + p.encode() for p in purpose)
        return hmac.new(self.secret, text, hashlib.sha256).digest()
