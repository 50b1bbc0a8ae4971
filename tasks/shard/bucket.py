"""The datasets of a bucket: those of a list, or those that its names tell."""

import itertools
import posixpath
import re
from collections.abc import Sequence

import yaml
from fsspec.utils import glob_translate
from pydantic import ValidationError

from infra.errors import ConfigurationError, DataError
from infra.storage import Folder
from schemas.bucket import BucketConfig, BucketContent, DatasetList, FoundDataset
from tasks.shard.bucket_names import LIST, lies_beside, tell
from tasks.shard.sources import names, webdataset
from tasks.shard.sources.listing import MAGIC, locate, look

_MOST_STRAYS = 20


def content(config: BucketConfig) -> BucketContent:
    """What lies in a bucket, by the list that is given or lies in it, else by names; and what belongs to no dataset.

    Raises ConfigurationError for a list that can't be read and for a layout that names can't tell apart, DataError when
    there is no dataset, StorageError.
    """
    bucket = Folder(config.bucket)
    text = _list_of(config, bucket)
    if text is not None:
        listed = _listed(bucket, text, config.datasets or bucket.object_url(LIST))
        return _content(listed, _unlisted(config, bucket, listed))
    files = list(look(config.bucket).files)

    def split_of(path: str) -> str | None:
        manifest = webdataset.own_manifest(bucket.child(path) if path else bucket)
        return None if manifest is None else manifest.source.split

    told, strays = tell(files, split_of)
    if not told:
        raise DataError(f"no dataset in {config.bucket}", f"write {LIST} there, or give --datasets FILE")
    root = config.bucket.rstrip("/").rpartition("/")[2] or "dataset"
    found = [
        FoundDataset.model_validate(
            {
                "name": _safe(one.name or root),
                "url": _join(config.bucket, one.place),
                "split": one.split,
                "how": one.how,
            }
        )
        for one in told
    ]
    _require_apart([each.name for each in found], "the bucket")
    return _content(found, strays)


def _content(datasets: Sequence[FoundDataset], strays: Sequence[str]) -> BucketContent:
    return BucketContent(datasets=tuple(datasets), strays=tuple(strays[:_MOST_STRAYS]), stray_count=len(strays))


def _list_of(config: BucketConfig, bucket: Folder) -> bytes | None:
    if config.datasets is None:
        return bucket.read_optional(LIST)
    folder, name = locate(config.datasets)
    return folder.read(name)


def _listed(bucket: Folder, text: bytes, where: str) -> tuple[FoundDataset, ...]:
    """The datasets of a list. Raises ConfigurationError."""
    mend = "write datasets: [{name: NAME, url: FOLDER}], see docs/buckets.md"
    try:
        listed = DatasetList.model_validate(yaml.safe_load(text.decode()))
    except (ValidationError, yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{where} is no list of datasets: {_first(error)}", mend) from error
    _require_apart([entry.name for entry in listed.datasets], where)
    return tuple(
        FoundDataset(
            name=entry.name, url=_inside(bucket, entry.url or entry.name, where), split=None, how="list", entry=entry
        )
        for entry in listed.datasets
    )


def _unlisted(config: BucketConfig, bucket: Folder, listed: Sequence[FoundDataset]) -> list[str]:
    """Files of a bucket that lie in no listed place, but for those that belong beside datasets. Raises StorageError."""
    places = [posixpath.normpath(each.url[len(bucket.object_url("")) :]) for each in listed]
    others = [name for name in look(config.bucket).files if not any(_lies_in(name, place) for place in places)]
    return [name for name in others if not lies_beside(name) and bucket.object_url(name) != config.datasets]


def _lies_in(name: str, place: str) -> bool:
    """True for a file below a place, the file itself, or one that a glob names; all relative to the bucket."""
    if place in (".", name) or name.startswith(f"{place}/"):
        return True
    try:
        return MAGIC.search(place) is not None and re.match(glob_translate(place), name) is not None
    except ValueError:  # no glob, as `a**`: its dataset says so
        return False


def _first(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    one = error.errors()[0]
    return f"{'.'.join(map(str, one['loc']))}: {one['msg']}"


def _inside(bucket: Folder, url: str, where: str) -> str:
    """The place of a listed dataset. Raises ConfigurationError when it lies outside the bucket."""
    if "://" in url or url.startswith(("/", "~")) or ".." in url.split("/"):
        raise ConfigurationError(f"{where} names {url}, which lies outside {bucket.url}", "name folders of the bucket")
    return _join(bucket.url, url)


def _join(bucket: str, place: str) -> str:
    return f"{bucket.rstrip('/')}/{place}" if place else bucket


def _safe(name: str) -> str:
    """A name for a folder of the destination; where that lost anything, a hash of the name is added."""
    parts = [re.sub(r"[^A-Za-z0-9._-]", "_", part).lstrip("._-") or "x" for part in name.split("/")]
    safe = "/".join(parts)
    return safe if safe == name else f"{safe}-{names.text_digest(name).hex()[:8]}"


def _require_apart(found: list[str], where: str) -> None:
    """Raise ConfigurationError when two datasets would lie in one folder, or one in another's."""
    for name, other in itertools.permutations(found, 2):
        if f"{other}/".startswith(f"{name}/"):
            problem = f"{where} has datasets called {name} and {other}: one would lie in the other's folder"
            raise ConfigurationError(problem, f"give them names of their own in {LIST}")
