"""The mapping of a job's classes: what rules give it, and by what one made by sight is known."""

from infra.keys import BucketKey
from infra.storage import Folder
from schemas.base import digest
from schemas.dataset import DatasetManifest
from schemas.matching import ClassMatch, Mapping
from schemas.protect import ProtectConfig
from tasks.match import classes
from tasks.shard import sample
from tasks.shard.sources.listing import locate

VERSION = 1
MAPPING = "match/mapping.json"
# Classes are told apart by less than it takes to fit noise.
_LARGEST_SIDE = 64


def by_sight(config: ProtectConfig) -> bool:
    """True when a job with public data matches classes by what they look like."""
    return config.mapping is None and config.matching.how == "visual"


def covered(config: ProtectConfig, private: DatasetManifest) -> list[str]:
    """Names of the private classes that are to be protected, in the dataset's order."""
    chosen = config.coverage.classes
    return [name for name in private.class_names if chosen is None or name in chosen]


def by_rule(config: ProtectConfig, private: DatasetManifest, public: DatasetManifest | None) -> Mapping:
    """The mapping of the classes by a file, by name, or each to itself. Raises ConfigurationError, StorageError."""
    names = private.class_names
    if public is None or config.in_context:
        how, pairs, inputs = "context" if public else "identity", classes.identity(names), [list(names)]
    else:
        chosen = covered(config, private)
        inputs = [chosen, list(public.class_names)]
        if config.mapping is not None:
            folder, name = locate(config.mapping)
            text = folder.read(name)
            how, pairs = "file", classes.from_file(text, config.mapping, names, public.class_names, chosen)
            inputs.append([text.decode(errors="replace")])
        else:
            how, pairs = "name", classes.by_name(chosen, public.class_names)
    matches = tuple(ClassMatch(private=a, public=b) for a, b in pairs)
    return Mapping(inputs=digest(how, *inputs), how=how, matches=matches)


def side(config: ProtectConfig, private: DatasetManifest) -> int:
    """Side in pixels at which classes are told apart by sight."""
    typical = sample.working_size(private, config.method.working_size)
    return config.matching.training.size or min(_LARGEST_SIDE, typical)


def inputs_by_sight(config: ProtectConfig, private: DatasetManifest, public: DatasetManifest, key: BucketKey) -> str:
    """Digest of all that shapes a mapping by sight.

    By which datasets they are, not by today's shards: a new shard must not redo all that depends on the mapping.
    """
    known = [] if config.coverage.classes is None else [covered(config, private)]
    of = (private.identity, public.identity, config.matching, key.fingerprint, side(config, private))
    return digest(VERSION, *of, *known)


def known(
    config: ProtectConfig, private: DatasetManifest, public: DatasetManifest | None, key: BucketKey
) -> Mapping | None:
    """The mapping that a run would have without looking at a picture; None when it would have to look."""
    if public is None or not by_sight(config):
        return by_rule(config, private, public)
    done = Folder(config.workspace).load(MAPPING, Mapping)
    return done if done is not None and done.inputs == inputs_by_sight(config, private, public, key) else None
