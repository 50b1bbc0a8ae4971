"""The shard stage as tables: its shards, and what was quarantined."""

from collections.abc import Sequence

from schemas.dataset import BadSample, ShardIndex

Row = dict[str, object]


def shards(indices: Sequence[ShardIndex]) -> list[Row]:
    """A row a shard: samples, quarantined ones, bytes, and the range of picture sizes in pixels."""
    return [
        {
            "shard": each.record.name,
            "samples": each.record.samples,
            "quarantined": len(each.bad),
            "classes": len(each.record.class_counts),
            "bytes": each.record.bytes,
            "pictures": _sizes(each),
        }
        for each in indices
    ]


def quarantined(indices: Sequence[ShardIndex]) -> list[Row]:
    """A row a sample that is not fit to protect."""
    return [_bad(one) for each in indices for one in each.bad]


def _bad(one: BadSample) -> Row:
    return {"shard": one.shard, "position": one.position, "key": one.key, "source": one.source, "reason": one.reason}


def _sizes(index: ShardIndex) -> str:
    found = index.record.sizes
    if found is None:
        return "none"
    least, most = (f"{w} x {h}" for w, h in ((found.min_width, found.min_height), (found.max_width, found.max_height)))
    return least if least == most else f"{least} to {most}"
