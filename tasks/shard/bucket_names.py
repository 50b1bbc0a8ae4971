"""Which names of a bucket's files belong together: the datasets that a look at them tells."""

import fnmatch
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from infra.errors import ConfigurationError
from tasks.shard.samples import is_picture
from tasks.shard.sources import parquet, webdataset
from tasks.shard.sources.listing import SPLITS, same_split

LIST = "datasets.yaml"
_BESIDE = re.compile(r"^(manifest\.json|classes\.json|datasets\.ya?ml|readme(\..*)?|licen[cs]e(\..*)?)$", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+([-_]of[-_][0-9]+)?$")
_SPLIT_WORD = re.compile(rf"(?:^|(?<=[-_.]))({'|'.join(SPLITS)})(?:$|(?=[-_.]))", re.IGNORECASE)


@dataclass
class _Node:
    """A folder: its own files, and the folders in it."""

    path: str
    files: list[str] = field(default_factory=list)
    folders: dict[str, "_Node"] = field(default_factory=dict)

    def having(self, suffixes: tuple[str, ...]) -> list[str]:
        """Own files that end in one of `suffixes`."""
        return [name for name in self.files if name.lower().endswith(suffixes)]

    def others(self) -> list[str]:
        """Own files that are neither shards nor Parquet files."""
        return [name for name in self.files if not name.lower().endswith((*webdataset.SUFFIXES, *parquet.SUFFIXES))]

    @property
    def has_pictures(self) -> bool:
        return any(is_picture(name.rpartition(".")[2]) for name in self.files)

    @property
    def has_data(self) -> bool:
        return bool(self.having(webdataset.SUFFIXES) or self.having(parquet.SUFFIXES))

    @property
    def has_classes(self) -> bool:
        return any(folder.has_pictures for folder in self.folders.values())

    @property
    def is_alone(self) -> bool:
        """True when no folder in it, however deep, holds a picture, a shard or a Parquet file."""
        return not any(
            below.has_data or below.has_pictures for folder in self.folders.values() for below in folder.below()
        )

    def kinds(self) -> set[str]:
        """Which kinds of data the folder and all below it hold: shards, parquet, folder (pictures in folders)."""
        ends = {"shards": webdataset.SUFFIXES, "parquet": parquet.SUFFIXES}
        found = {kind for kind, suffixes in ends.items() if any(below.having(suffixes) for below in self.below())}
        nested = any(below.has_pictures for folder in self.folders.values() for below in folder.below())
        return found | ({"folder"} if nested else set())

    def below(self) -> Iterator["_Node"]:
        """The folder and all below it."""
        yield self
        for folder in self.folders.values():
            yield from folder.below()


@dataclass(frozen=True)
class Told:
    """A dataset as names tell it: its name, its place below the bucket, its split and what told it."""

    name: str
    place: str
    split: str | None
    how: str


def tell(files: list[str], split_of: Callable[[str], str | None]) -> tuple[list[Told], list[str]]:
    """The datasets that names of files tell, and the files that belong to none.

    `split_of` gives the split of the manifest that this product wrote in a folder, or None. Raises ConfigurationError.
    """
    told: list[Told] = []
    strays: list[str] = []
    _walk(_tree(files), split_of, told, strays)
    return told, [name for name in strays if not lies_beside(name)]


def lies_beside(name: str) -> bool:
    """True for what belongs beside datasets: a list of them, a manifest, a licence and the like."""
    return _BESIDE.match(name.rpartition("/")[2]) is not None


def _tree(files: list[str]) -> _Node:
    root = _Node("")
    for name in sorted(files):
        *folders, base = name.split("/")
        node = root
        for i, each in enumerate(folders):
            node = node.folders.setdefault(each, _Node("/".join(folders[: i + 1])))
        node.files.append(base)
    return root


def _walk(node: _Node, split_of: Callable[[str], str | None], told: list[Told], strays: list[str]) -> None:
    if set(node.files) & set(node.folders):  # a bucket may hold both by one name; a URL can't tell them apart
        raise _unclear(node.path)
    splits = _split_folders(node)
    if splits and not node.has_data:
        _require_nothing_else(node, [folder for name, folder in node.folders.items() if name not in splits])
        told += _told_splits(node, splits)
        # What is no picture in a tree stands in its quarantine list.
        beside = [folder for name, folder in node.folders.items() if splits.get(name) != "folder"]
        strays += _files(node, node.files)
        strays += [name for folder in beside for below in folder.below() for name in _files(below, below.others())]
        return
    if node.has_classes:
        _require_nothing_else(node, [folder for folder in node.folders.values() if not folder.has_pictures])
        # By one shard, in a class even, the whole tree would be read as shards.
        if any(below.has_data for below in node.below()):
            raise _unclear(node.path)
        told.append(Told(node.path, node.path, None, "folder"))
        return
    if node.has_data:
        told += _shards(node, split_of) + _parquet(node)
    strays += _files(node, node.others())
    for folder in node.folders.values():
        _walk(folder, split_of, told, strays)


def _split_folders(node: _Node) -> dict[str, str]:
    """Folders named like a split that hold shards or folders of classes, and which of both."""
    found: dict[str, str] = {}
    for name, folder in node.folders.items():
        if same_split(name) in {same_split(each) for each in SPLITS} and not folder.has_pictures:
            if folder.has_data:
                found[name] = "shards" if folder.having(webdataset.SUFFIXES) else "parquet"
            elif folder.has_classes:
                found[name] = "folder"
    return found


def _told_splits(node: _Node, splits: dict[str, str]) -> list[Told]:
    """A dataset for each folder of a split: in the folder around them, or by itself where the splits differ in kind.

    Raises ConfigurationError for a split of several kinds.
    """
    mixed = [node.folders[name] for name in splits if len(node.folders[name].kinds()) > 1]
    if mixed:
        raise _unclear(mixed[0].path)
    apart = len(set(splits.values())) > 1  # a look at all of them would tell one kind, and not find the others
    places = {name: node.folders[name].path if apart else node.path for name in splits}
    return [
        Told(_name(node.path, name, len(splits)), places[name], same_split(name), how) for name, how in splits.items()
    ]


def _shards(node: _Node, split_of: Callable[[str], str | None]) -> list[Told]:
    """Datasets among a folder's own shards: a manifest's, else one for each text before the shards' numbers."""
    shards = node.having(webdataset.SUFFIXES)
    if not shards:
        return []
    if "manifest.json" in node.files and (split := split_of(node.path)) is not None:
        return [Told(node.path, node.path, split, "manifest")]
    series: dict[str, list[str]] = {}
    for shard in shards:
        stem = next(
            shard[: -len(end)]
            for end in sorted(webdataset.SUFFIXES, key=len, reverse=True)
            if shard.lower().endswith(end)
        )
        number = _NUMBER.search(stem)
        series.setdefault(stem[: number.start()] if number else stem, []).append(shard)
    kinds = {prefix: _split_word(prefix) for prefix in series}
    bases = {prefix: _base(prefix) for prefix in series}
    whole = node.is_alone and len(set(bases.values())) == 1 and not node.having(parquet.SUFFIXES)
    found: list[Told] = []
    for prefix, members in series.items():
        base = node.path if whole else "/".join(filter(None, (node.path, bases[prefix])))
        same = sum(bases[each] == bases[prefix] for each in series)
        place = node.path if whole else _glob(node.path, prefix, members, shards)
        found.append(Told(_name(base, kinds[prefix] or "train", same), place, kinds[prefix], "shards"))
    return found


def _parquet(node: _Node) -> list[Told]:
    files = node.having(parquet.SUFFIXES)
    splits = {_split_word(name.rpartition(".")[0]) for name in files}
    if not files:
        return []
    if node.having(webdataset.SUFFIXES) or not node.is_alone:
        raise _unclear(node.path)
    return [
        Told(_name(node.path, split or "train", len(splits)), node.path, split, "parquet")
        for split in sorted(splits, key=str)
    ]


def _split_word(text: str) -> str | None:
    found = _SPLIT_WORD.search(text)
    return same_split(found.group(1)) if found else None


def _base(prefix: str) -> str:
    """A series' name without its split: of cifar-train- it is cifar."""
    return re.sub(r"[-_.]{2,}", "-", _SPLIT_WORD.sub("", prefix, count=1)).strip("-_.")


def _name(base: str, split: str, splits: int) -> str:
    return base if splits == 1 else f"{base}/{same_split(split)}" if base else same_split(split)


def _glob(path: str, prefix: str, members: list[str], shards: list[str]) -> str:
    """A glob that names a series of shards and no other; a single shard without a number by itself.

    A series is named so even while it has one shard: noise is kept by a dataset's address.
    """
    folder, numbered = f"{path}/" if path else "", f"{prefix}[0-9]*"
    if re.search(r"[*?\[\]]", folder + prefix):
        raise _unclear(path)
    if not fnmatch.filter(members, numbered):
        return folder + members[0]
    if sorted(fnmatch.filter(shards, numbered)) != sorted(members):  # photos-0.tar beside photos-2024-0.tar
        raise _unclear(path)
    return folder + numbered


def _files(node: _Node, files: list[str]) -> list[str]:
    return ["/".join(filter(None, (node.path, name))) for name in files]


def _require_nothing_else(node: _Node, rest: list[_Node]) -> None:
    """Raise ConfigurationError when a folder of one dataset holds others: which file belongs to which is not told."""
    if any(below.has_data or below.has_pictures for folder in rest for below in folder.below()):
        raise _unclear(node.path)


def _unclear(path: str) -> ConfigurationError:
    problem = f"the names in folder {path or 'the bucket itself'} don't tell which file belongs to which dataset"
    return ConfigurationError(problem, f"list the datasets in {LIST}, or give --datasets FILE")
