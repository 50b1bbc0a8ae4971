"""Which units of a source are indexed already: told by their markers, and nothing is written."""

from infra.errors import DataError
from infra.storage import Folder
from schemas.base import digest
from schemas.dataset import DatasetManifest, ShardIndex, ShardUnit, SourceSpec

# 2: names that turn the direction of writing are quarantined
# 3: so are endless names and baseline JPEGs of many scans; pictures of torchvision's loaders are turned by their EXIF
VERSION = 3
MANIFEST = "manifest.json"
_SHAPING = {"label_field", "image_field", "max_pixels", "max_shard_bytes", "shard_size"}


def marker_of(unit: ShardUnit) -> str:
    """Name of a unit's index in the dataset's folder."""
    return f"index/{unit.name}.json"


def inputs_of(spec: SourceSpec, unit: ShardUnit) -> str:
    """Digest of all that shapes a unit's index."""
    return digest(VERSION, unit, spec.model_dump(include=_SHAPING))


def finished(folder: Folder, spec: SourceSpec, unit: ShardUnit) -> ShardIndex | None:
    """The index of a unit that is done: for exactly these inputs, its shard there as it was written."""
    done = folder.load(marker_of(unit), ShardIndex)
    return done if done is not None and done.inputs == inputs_of(spec, unit) and _stored(folder, done) else None


def known_side(folder: Folder, manifest: DatasetManifest) -> int | None:
    """The typical side that an earlier run wrote down for this dataset."""
    try:
        before = folder.load(MANIFEST, DatasetManifest)
    except DataError:  # of another version, or damaged: it is made anew from the indices
        return None
    return before.typical_side if before is not None and before.identity == manifest.identity else None


def _stored(folder: Folder, done: ShardIndex) -> bool:
    if done.unit.in_place:
        return True  # the unit's fingerprint tells whether the source has changed
    record = done.record  # a damaged shard is written again, not stumbled over
    return folder.unchanged(f"shards/{done.unit.name}", record.bytes, record.sha256, done.etag) is not None
