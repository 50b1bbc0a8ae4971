"""Datasets of torchvision.datasets by class name: torchvision://CIFAR10?root=FOLDER."""

import inspect
import os
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from PIL import Image

from infra.errors import ConfigurationError, DataError
from infra.storage import Folder, fingerprint
from schemas.base import digest
from schemas.dataset import ShardUnit, SourcePlan, SourceSpec
from tasks.shard.guard import guarded
from tasks.shard.labels import normalise, unknown
from tasks.shard.pictures import PictureError, decode_strictly, encode_png, to_rgb
from tasks.shard.samples import Reject, Sample
from tasks.shard.sources import names
from tasks.shard.sources.listing import no_dataset, no_split

SCHEME = "torchvision://"
_UNCHECKED = frozenset(["LSUN", "LSUNClass"])
# What reading a damaged or hostile file of a dataset raises.
_UNREADABLE = (OSError, ValueError, SyntaxError)
_FIRST = 10  # pictures of which one must be readable, to tell what a dataset holds
_EXAMPLE = "name a class of torchvision.datasets, such as torchvision://CIFAR10?root=/data"


def plan(spec: SourceSpec) -> SourcePlan:
    """Units of `shard_size` pictures in a hashed order, so that classes mix.

    Raises ConfigurationError for a name or an argument that torchvision doesn't know, DataError for missing data.
    """
    mark = _mark(spec.url, spec.split)
    dataset = _open(spec.url, spec.split, mark, spec.max_pixels)
    total = len(dataset)
    if total == 0:
        raise no_dataset(spec.url)
    _require_classes(spec.url, _first(spec, dataset, total))
    order = [int(text) for text in names.hashed_order(str(i) for i in range(total))][: spec.limit]
    units = [
        ShardUnit(
            name=f"{spec.split}-{number:06d}.tar",
            url=spec.url,
            in_place=False,
            fingerprint=mark,
            arguments={"indices": list(order[start : start + spec.shard_size])},
        )
        for number, start in enumerate(range(0, len(order), spec.shard_size))
    ]
    return SourcePlan(format="torchvision", units=tuple(units), class_names=_class_names(dataset))


def read(spec: SourceSpec, unit: ShardUnit) -> Iterator[Sample | Reject]:
    """The pictures of a unit as lossless PNG."""
    dataset = _open(spec.url, spec.split, unit.fingerprint, spec.max_pixels)
    classes = _class_names(dataset)
    indices: Any = unit.arguments["indices"]
    for index in indices:
        key, source = f"{index:09d}", f"{unit.url}[{index}]"
        try:
            with guarded(spec.max_pixels):
                picture, target = dataset[index]
                png = encode_png(to_rgb(picture))
        except PictureError as error:
            yield Reject(key, source, str(error))
            continue
        except _UNREADABLE as error:
            yield Reject(key, source, f"it is not a picture that can be read ({error})")
            continue
        label = normalise(_plain(target))
        if label is None or label.startswith("-"):
            yield Reject(key, source, f"no label: {target} is none")
        elif reason := unknown(label, None if classes is None else len(classes)):
            yield Reject(key, source, reason)
        else:
            yield Sample(key, label, (("png", png), ("cls", label.encode())), 0, source)


def _mark(url: str, split: str) -> str:
    """Tells what a dataset is made of: two URLs, or two splits, that give the same pictures have the same mark."""
    kind, arguments = _resolved(url, split)
    given = {name: os.path.realpath(value) if name == "root" else value for name, value in arguments.items()}
    return digest(kind.__name__, sorted(given.items()), *_fingerprints(arguments.get("root")))


def _resolved(url: str, split: str) -> tuple[Any, dict[str, Any]]:
    """The class of a dataset, and what its constructor is called with."""
    from torchvision import datasets  # seconds to import, and most jobs don't need it

    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    kind = getattr(datasets, parts.netloc, None)
    if parts.netloc in _UNCHECKED:
        problem = f"torchvision's {parts.netloc} unpickles a file without checking it, which can run any program"
        raise ConfigurationError(problem, "give its pictures as a folder CLASS/IMAGE")
    if not inspect.isclass(kind) or parts.netloc.startswith("_") or not hasattr(kind, "__getitem__"):
        raise ConfigurationError(f"torchvision has no dataset {parts.netloc}", _EXAMPLE)
    return kind, _arguments(kind, query, split, url)


@lru_cache(maxsize=2)
def _open(url: str, split: str, mark: str, max_pixels: int) -> Any:
    """The dataset; kept as long as its `mark` is the same, because opening one reads all of it.

    One that takes a loader of pictures gets ours; what others open by themselves is for `guarded`.
    """
    del mark
    kind, arguments = _resolved(url, split)
    root = arguments.get("root")
    try:
        with guarded(max_pixels):
            dataset = kind(**arguments)
    except (RuntimeError, OSError, EOFError) as error:
        problem = f"torchvision can't find {kind.__name__} ({split}) below {root}: {error}"
        how = f": torchvision.datasets.{kind.__name__}({root!r}, download=True)" if "download" in arguments else ""
        mend = f"put it there{how}, or name another folder with root="
        raise DataError(problem, mend) from error
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"torchvision can't open {url} ({split}): {error}", _EXAMPLE) from error
    if callable(getattr(dataset, "loader", None)):
        dataset.loader = partial(_load, max_pixels=max_pixels)
    return dataset


def _load(path: str, max_pixels: int) -> Image.Image:
    """A picture by the rule for all pictures, in the place of torchvision's loader. Raises PictureError, OSError."""
    data = Path(path).read_bytes()
    with guarded(None):
        return Image.fromarray(decode_strictly(data, max_pixels))


def _arguments(kind: Any, query: dict[str, str], split: str, url: str) -> dict[str, Any]:
    """What the dataset's constructor is called with. Raises ConfigurationError or DataError."""
    known = inspect.signature(kind).parameters
    unknown = sorted(set(query) - set(known))
    if unknown or {"transform", "target_transform", "transforms", "loader"} & set(query):
        problem = f"{kind.__name__} can't take {', '.join(unknown or query)} from a URL"
        raise ConfigurationError(problem, f"it knows {', '.join(known)}")
    arguments: dict[str, Any] = {name: _value(text, known[name].default) for name, text in query.items()}
    if "root" in known:
        arguments["root"] = os.path.expanduser(
            _root(query.get("root", "."), split, folders="split" not in query, kind=kind)
        )
    if "download" in known:
        arguments["download"] = False
    if "train" in known and "train" not in query:
        if split not in ("train", "test"):
            raise no_split(url, split, {"train", "test"})
        arguments["train"] = split == "train"
    elif "split" in known and "split" not in query:
        arguments["split"] = split
    return arguments


def _root(root: str, split: str, folders: bool, kind: Any) -> str:
    """The root, or for a tree of folders its folder of the split when there is one."""
    inside = os.path.join(os.path.expanduser(root), split)
    is_tree = kind.__name__ in ("ImageFolder", "DatasetFolder")
    return inside if folders and is_tree and os.path.isdir(inside) else root


def _value(text: str, default: Any) -> Any:
    """A value from a URL as the type that the constructor's default has."""
    try:
        if isinstance(default, bool):
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        if isinstance(default, int):
            return int(text)
        if isinstance(default, tuple):
            return tuple(int(part) for part in text.split(","))
    except (ValueError, KeyError) as error:
        raise ConfigurationError(f"{text} is no value like {default}", _EXAMPLE) from error
    return text


def _first(spec: SourceSpec, dataset: Any, total: int) -> Any:
    """The first of a dataset's items that can be read. Raises DataError when none of some can."""
    reason: Exception | None = None
    for index in range(min(total, _FIRST)):
        try:
            with guarded(spec.max_pixels):
                return dataset[index]
        except _UNREADABLE as error:
            reason = reason or error
    raise DataError(f"the first pictures of {spec.url} can't be read: {reason}", "remove those that are damaged")


def _plain(target: Any) -> Any:
    """A target as a Python value: torchvision gives int, NumPy and tensor scalars."""
    return target.item() if hasattr(target, "item") and getattr(target, "ndim", 1) == 0 else target


def _require_classes(url: str, first: Any) -> None:
    picture, target = first
    if not isinstance(picture, Image.Image) or not isinstance(_plain(target), int | np.integer):
        problem = f"{url} is no dataset of pictures with one class each"
        raise DataError(problem, "name a classification dataset, such as CIFAR10")


def _class_names(dataset: Any) -> tuple[str, ...] | None:
    found = getattr(dataset, "classes", None)
    return names.class_names(found) if isinstance(found, list | tuple) else None


def _fingerprints(root: str | None) -> list[str]:
    return [] if root is None else [f"{name} {fingerprint(info)}" for name, info in Folder(root).list().items()]
