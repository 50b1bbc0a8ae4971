"""Where the datasets of the paper's experiments lie."""

import json

from flows.paper.small import limits_of
from infra.caching import shared
from infra.errors import ConfigurationError
from infra.storage import Folder
from schemas.dataset import SourceSpec
from schemas.experiments import Classes, DatasetName, ReproduceConfig
from tasks.shard import source
from tasks.shard.sources.listing import look

_TORCHVISION: dict[DatasetName, str] = {
    "cifar10": "torchvision://CIFAR10",
    "cifar100": "torchvision://CIFAR100",
    "svhn": "torchvision://SVHN",
}


def of(name: DatasetName, split: str, config: ReproduceConfig) -> SourceSpec:
    """A dataset's split, cut to the scale. Raises ConfigurationError when nobody said where it lies."""
    limits = limits_of(name)
    limit = None if config.scale == "full" else limits.train if split == "train" else limits.test
    return SourceSpec(url=_url(name, config), split=split, limit=limit)


def class_names(spec: SourceSpec) -> tuple[str, ...]:
    """The classes of a dataset, by index. Raises ConfigurationError when it does not name them."""
    names = _class_names(spec.model_copy(update={"limit": None}))
    if names is None:
        raise ConfigurationError(f"{spec.url} does not name its classes", "put a classes.json beside its shards")
    return names


def classes_of(chosen: Classes | None, spec: SourceSpec) -> tuple[str, ...] | None:
    """Names of classes, the first so many of the dataset's where a number is given."""
    return class_names(spec)[:chosen] if isinstance(chosen, int) else chosen


def pairs_file(config: ReproduceConfig) -> str:
    """The pairs of faces: pairs.tsv in their dataset's folder. Raises ConfigurationError when it is not there."""
    folder = Folder(_url("face-pairs", config))
    if folder.info("pairs.tsv") is None:
        problem = f"{folder.url} holds no pairs.tsv"
        raise ConfigurationError(problem, "put a file of the columns key_a, key_b and same there")
    return folder.object_url("pairs.tsv")


def maps(wanted: dict[str, str], public: SourceSpec) -> bool:
    """True where the public dataset has the classes that a mapping leads to; False where it has the private names.

    Raises ConfigurationError when it has neither.
    """
    names = class_names(public)
    if set(wanted.values()) <= set(names):
        return True
    if set(wanted) <= set(names):
        return False
    missing = next(each for each in wanted.values() if each not in names)
    raise ConfigurationError(f"{public.url} has no class {missing}", "its classes.json should name Table 4's classes")


def mapping_file(wanted: dict[str, str], public: SourceSpec, place: Folder) -> str | None:
    """File that maps classes for `protect`; None where the public dataset has classes of the private names."""
    if not maps(wanted, public):
        return None
    place.write("mapping.json", json.dumps(wanted).encode())
    return place.object_url("mapping.json")


@shared(64)
def _class_names(spec: SourceSpec) -> tuple[str, ...] | None:
    return source.plan(spec).class_names


def _url(name: DatasetName, config: ReproduceConfig) -> str:
    if name in config.data:
        return config.data[name]
    if config.data_folder is not None:
        folder = Folder(config.data_folder).child(name)
        if look(folder.url).files:
            return folder.url
    if name in _TORCHVISION:
        return _TORCHVISION[name]
    raise ConfigurationError(f"nothing says where {name} lies", f"give --data {name}=URL: a folder or a bucket")
