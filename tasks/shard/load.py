"""The good samples of an indexed shard: how later stages read a dataset."""

from collections.abc import Iterator

from infra.errors import DataError
from infra.storage import sha256
from schemas.dataset import DatasetManifest, ShardRecord
from tasks.shard.samples import Reject, Sample
from tasks.shard.sources.listing import locate
from tasks.shard.sources.members import Fields, parse


class ChangedError(DataError):
    """A shard's bytes are not the indexed ones: either they changed, or they were read wrongly when it was indexed."""

    def __init__(self, shard: str):
        super().__init__(f"shard {shard} changed since it was indexed", "run it again")
        self.shard = shard

    def __reduce__(self) -> tuple[type, tuple[str]]:  # type: ignore[override]
        return type(self), (self.shard,)


def read_shard(manifest: DatasetManifest, record: ShardRecord) -> Iterator[Sample]:
    """The good samples of one shard, in order; their labels are among `manifest.labels`.

    `record.url` is a full URL. The shard is held in memory; its bytes are checked before the first sample
    comes. Raises DataError when they are not the indexed ones, StorageError.
    """
    folder, name = locate(record.url)
    data = folder.read(name)
    if len(data) != record.bytes or sha256(data) != record.sha256:
        raise ChangedError(record.name)
    spec = manifest.source
    # Only a WebDataset source keeps its own members: in shards written from others the label is in `cls`.
    fields = Fields(spec.label_field, spec.image_field) if manifest.format == "webdataset" else Fields()
    limit = max(spec.max_shard_bytes, len(data))  # what we wrote ourselves may be larger
    bad, labels = frozenset(record.bad_positions), frozenset(manifest.labels)
    for position, sample in enumerate(parse(data, name, limit, fields)):
        if position in bad:
            continue
        if isinstance(sample, Reject) or sample.label not in labels:
            reason = sample.reason if isinstance(sample, Reject) else f'its label "{sample.label}" is no class'
            problem = f"sample {sample.key} of shard {record.name} was good when indexed and is not now: {reason}"
            raise DataError(problem, "index the dataset again with this version")
        yield sample
