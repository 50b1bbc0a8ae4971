"""Where the datasets of the paper's experiments lie."""

import json

from flows.paper.small import limits_of
from infra.errors import ConfigurationError
from infra.storage import Folder
from schemas.dataset import SourceSpec
from schemas.experiments import Classes, DatasetName, PaperResult, ReproduceConfig
from tasks.shard import source

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


def require(results: list[PaperResult], config: ReproduceConfig) -> None:
    """Raise ConfigurationError, before anything is made, when a dataset that is needed has no place."""
    for result in results:
        for one in result.experiments:
            noises = [each for each in (one.noise, one.trigger) if each]
            needed = [one.dataset, one.beside, *(each.public for each in noises)]
            pairs: list[DatasetName | None] = ["face-pairs"] if one.measured in {"auc", "tar"} else []
            for name in [*needed, *pairs]:
                if name is not None:
                    _url(name, config)


def classes_of(chosen: Classes | None, spec: SourceSpec) -> tuple[str, ...] | None:
    """Names of classes, the first so many of the dataset's where a number is given."""
    if not isinstance(chosen, int):
        return chosen
    names = source.plan(spec).class_names
    if names is None:
        raise ConfigurationError(f"{spec.url} does not name its classes", "put a classes.json beside its shards")
    return names[:chosen]


def pairs_file(config: ReproduceConfig) -> str:
    """The pairs of faces: pairs.tsv in their dataset's folder. Raises ConfigurationError when it is not there."""
    folder = Folder(_url("face-pairs", config))
    if folder.info("pairs.tsv") is None:
        problem = f"{folder.url} holds no pairs.tsv"
        raise ConfigurationError(problem, "put a file of the columns key_a, key_b and same there")
    return folder.object_url("pairs.tsv")


def mapping(wanted: dict[str, str], public: SourceSpec, place: Folder) -> str | None:
    """File that maps classes for `protect`; None where the public dataset has classes of the private names.

    Raises ConfigurationError when it has neither those nor the ones that are wanted.
    """
    names = source.plan(public).class_names or ()
    if set(wanted.values()) <= set(names):
        place.write("mapping.json", json.dumps(wanted).encode())
        return place.object_url("mapping.json")
    if set(wanted) <= set(names):
        return None
    missing = next(each for each in wanted.values() if each not in names)
    raise ConfigurationError(f"{public.url} has no class {missing}", "its classes.json should name Table 4's classes")


def _url(name: DatasetName, config: ReproduceConfig) -> str:
    if name in config.data:
        return config.data[name]
    if config.data_folder is not None:
        folder = Folder(config.data_folder).child(name)
        if folder.list():
            return folder.url
    if name in _TORCHVISION:
        return _TORCHVISION[name]
    raise ConfigurationError(f"nothing says where {name} lies", f"give --data {name}=URL: a folder or a bucket")
