"""What is in one shard, of a source or protected, with all that is wrong in its place. Nothing is written."""

from collections import Counter
from collections.abc import Iterable, Iterator

from infra.errors import ConfigurationError, DataError, one_line
from infra.storage import Folder, sha256
from schemas.dataset import BadSample, ShardIndex, SizeRange, SourceSpec
from schemas.inspection import KnownShard, ListedSample, ShardProblem, ShardReport
from schemas.protect import Job, ProtectedShard
from tasks.shard.pictures import PictureError, describe
from tasks.shard.samples import Reject, Sample
from tasks.shard.sources.listing import locate
from tasks.shard.sources.members import Fields, of_groups
from tasks.shard.sources.webdataset import SUFFIXES
from tasks.shard.tar import Member, Parts, group, walk

_LONGEST = 200


def inspect(spec: SourceSpec, listed: int = 0, workspace: Folder | None = None) -> ShardReport:
    """All that can be told of the shard at `spec.url`; of its samples the first `listed` one by one.

    With a workspace, what its job's markers say of the shard too. The shard is held in memory. Raises
    ConfigurationError when the URL is no shard's or the workspace no job's, DataError for a damaged marker,
    StorageError.
    """
    place, name = _place(spec.url)
    job = None if workspace is None else _job(workspace)
    data = place.read(name)
    digest = sha256(data)
    found = _Found(spec, listed)
    found.look(data, name)
    known = None
    if workspace is not None and job is not None:
        known = tuple(_known(workspace, job, place, name, (len(data), digest)))
        found.problems += [
            _problem(None, "", f"its bytes are not those that {one.marker} in the workspace records")
            for one in known
            if not one.as_recorded
        ]
    return ShardReport(
        ok=not found.problems,
        url=one_line(spec.url),
        bytes=len(data),
        sha256=digest,
        samples=found.samples,
        good=len(found.sides),
        class_counts=dict(sorted(found.labels.items())),
        members=dict(sorted(found.members.items())),
        pictures=dict(sorted(found.pictures.items())),
        sizes=found.sizes(),
        problems=tuple(found.problems),
        listed=tuple(found.listed),
        known=known,
    )


class _Found:
    """What is known of a shard so far."""

    def __init__(self, spec: SourceSpec, most_listed: int):
        self.spec, self.most_listed = spec, most_listed
        self.samples = 0
        self.labels: Counter[str] = Counter()
        self.members: Counter[str] = Counter()
        self.pictures: Counter[str] = Counter()
        self.sides: list[tuple[int, int]] = []
        self.problems: list[ShardProblem] = []
        self.listed: list[ListedSample] = []

    def look(self, data: bytes, name: str) -> None:
        """Take in a shard; of a damaged one, the samples before the damage."""
        members: list[Member] = []
        damage: list[ShardProblem] = []
        try:
            for member in walk(data, name, self.spec.max_shard_bytes):
                members.append(member)
        except DataError as error:
            damage.append(_problem(None, "", error.problem))
        grouped = group(members)
        samples = of_groups(grouped, name, Fields(self.spec.label_field, self.spec.image_field))
        for (key, parts), sample in zip(grouped, samples, strict=True):
            self._take(key, parts, sample)
        self.problems += damage

    def sizes(self) -> SizeRange | None:
        """The range of picture sizes; None without a good sample."""
        if not self.sides:
            return None
        heights, widths = zip(*self.sides, strict=True)
        return SizeRange(min_height=min(heights), max_height=max(heights), min_width=min(widths), max_width=max(widths))

    def _take(self, key: str, parts: Parts, sample: Sample | Reject) -> None:
        extensions = tuple(_short(extension) for extension, _ in parts)
        self.members.update(extensions)
        label = sample.label if isinstance(sample, Sample) else None
        try:
            height, width = self._picture(sample)
        except PictureError as error:
            self.problems.append(_problem(self.samples, key, str(error)))
            height, width = None, None
        if self.samples < self.most_listed:
            size = sum(len(data or b"") for _, data in parts)
            row = {"position": self.samples, "key": _short(key), "label": label, "bytes": size}
            self.listed.append(ListedSample(**row, height=height, width=width, members=extensions))
        self.samples += 1

    def _picture(self, sample: Sample | Reject) -> tuple[int, int]:
        """Height and width of a good sample's picture, which is counted. Raises PictureError with what is wrong."""
        if isinstance(sample, Reject):
            raise PictureError(sample.reason)
        height, width, kind = describe(sample.picture, self.spec.max_pixels)
        self.sides.append((height, width))
        self.pictures[kind] += 1
        self.labels[sample.label] += 1
        return height, width


def _place(url: str) -> tuple[Folder, str]:
    """Folder and name of a shard. Raises ConfigurationError for what is none by its name."""
    if not url.lower().endswith(SUFFIXES):
        problem = f"{url} is no shard by its name"
        raise ConfigurationError(problem, f"give the path or URL of one file that ends in {', '.join(SUFFIXES)}")
    return locate(url)


def _job(workspace: Folder) -> Job:
    job = workspace.load("job.json", Job)
    if job is None:
        problem = f"{workspace.url} is no workspace of a job"
        raise ConfigurationError(problem, "give the --workspace of a protect run")
    return job


def _known(workspace: Folder, job: Job, place: Folder, name: str, stored: tuple[int, str]) -> Iterator[KnownShard]:
    """What the markers say of the shard `name` in `place`, whose stored bytes have this size and SHA-256."""
    markers = list(workspace.list())
    if place.identity() == job.destination:
        marker = f"rewrite/{name}.json"
        record = workspace.load(marker, ProtectedShard)
        if record is not None:
            index = workspace.load(f"dataset/index/{record.source}.json", ShardIndex)
            yield KnownShard(
                part="protected",
                marker=marker,
                samples=record.samples,
                protected=record.protected,
                as_recorded=(record.bytes, record.sha256) == stored,
                quarantined=_bad(index.bad if index else ()),
            )
    for part in ("dataset", "public"):
        for marker in markers:
            if marker.startswith(f"{part}/index/"):
                index = workspace.load(marker, ShardIndex)
                if index is not None and _is_at(index.record.url, place, name):
                    yield KnownShard(
                        part=part,
                        marker=marker,
                        samples=index.record.samples,
                        protected=None,
                        as_recorded=(index.record.bytes, index.record.sha256) == stored,
                        quarantined=_bad(index.bad),
                    )


def _is_at(url: str, place: Folder, name: str) -> bool:
    folder, own_name = locate(url)
    return own_name == name and folder.identity() == place.identity()


def _bad(bad: Iterable[BadSample]) -> tuple[ShardProblem, ...]:
    return tuple(_problem(each.position, each.key, each.reason) for each in bad)


def _problem(position: int | None, key: str, reason: str) -> ShardProblem:
    return ShardProblem(position=position, key=_short(key), reason=one_line(reason))


def _short(text: str) -> str:
    return one_line(text)[:_LONGEST]
