"""Where an evaluation reads and writes: its workspace apart from its sources, its test apart from its training."""

import json
import os

from infra.errors import ConfigurationError
from infra.storage import Folder
from schemas.dataset import SourceSpec
from schemas.evaluate import EvaluateConfig
from tasks.rewrite.audit import clean_spec, manifest_of
from tasks.rewrite.places import check_workspace
from tasks.shard import source
from tasks.shard.sources import torchvision

_TEST = ("--test", "--test-split")


def check(config: EvaluateConfig) -> None:
    """Raise ConfigurationError when the workspace lies in a copy, which will be published, or in any source."""
    others = [config.pairs.pictures] if config.pairs else []
    others += [config.beside.train, config.beside.test] if config.beside else []
    check_workspace(config.workspace, config.protected, [each.url for each in (config.clean, config.test, *others)])


def check_tests(config: EvaluateConfig) -> None:
    """Raise ConfigurationError when test pictures, or those of pairs, are training pictures too: they'd say nothing.

    A tree of pictures or shards that tell no split give all of them for any split. Told by what is planned, not by
    the pixels: a copy of the files elsewhere passes. Raises DataError and StorageError for what can't be read.
    """
    training = clean_spec(config.clean, manifest_of(Folder(config.protected[0])))
    _require_apart(training, config.test)
    if config.pairs is not None:
        _require_apart(training, config.pairs.pictures, "pictures of the pairs", ("--pairs-pictures", "--pairs-split"))
    if config.beside is not None:
        _require_apart(config.beside.train, config.beside.test)


def _require_apart(
    training: SourceSpec, test: SourceSpec, what: str = "test pictures", options: tuple[str, str] = _TEST
) -> None:
    if _units(training, test.shard_size) & _units(test, test.shard_size):
        problem = f"the {what} at {test.url} are training pictures too"
        place, split = options
        raise ConfigurationError(problem, f"give pictures of their own with {place}, or their split with {split}")


def _units(spec: SourceSpec, shard_size: int) -> set[tuple[str, str, str]]:
    """What tells a source's units, cut alike and without a limit: a limit takes the first, of either the same."""
    planned = source.plan(spec.model_copy(update={"limit": None, "shard_size": shard_size}))
    return {(_place(unit.url), unit.fingerprint, json.dumps(unit.arguments, sort_keys=True)) for unit in planned.units}


def _place(url: str) -> str:
    if url.startswith(torchvision.SCHEME):
        return torchvision.SCHEME  # the fingerprint tells dataset and split, however the URL says them
    return url if "://" in url else os.path.realpath(url)
