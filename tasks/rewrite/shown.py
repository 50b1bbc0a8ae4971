"""The rewrite stage as a table."""

from collections.abc import Sequence

from schemas.protect import ProtectedShard


def shards(done: Sequence[ProtectedShard]) -> list[dict[str, object]]:
    """A row a protected shard: samples, those with noise, the largest change of a stored value, bytes, seconds."""
    return [
        {
            "shard": each.name,
            "samples": each.samples,
            "protected": each.protected,
            "largest change, 1/255": each.max_abs_change,
            "bytes": each.bytes,
            "seconds": each.seconds,
        }
        for each in done
    ]
