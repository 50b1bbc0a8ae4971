"""Prefect task of the match stage."""

from dataclasses import asdict
from typing import Any

import infra.prefect_settings  # noqa: F401 - before Prefect

from prefect import task

from infra import artifacts, failures, progress
from infra.devices import pick_device
from infra.errors import one_line
from infra.keyring import load_key
from infra.keys import BucketKey
from infra.orchestration import RETRIES, cached, gpu_gate, log, secret_block, warn
from infra.storage import Folder
from schemas.dataset import DatasetManifest
from schemas.matching import ClassMatch, Mapping
from schemas.protect import ProtectConfig
from tasks.match import mapping, shown, visual
from tasks.match.mapping import MAPPING
from tasks.shard import sample
from tasks.shard.markers import doubted_when_changed

_NAMED = 10


@task(name="match classes", task_run_name="match classes", **RETRIES)
def match_classes(config: ProtectConfig, private: DatasetManifest, public: DatasetManifest | None) -> Mapping:
    """Match each private class with the public class that makes its noise; writes WORKSPACE/match/mapping.json.

    A class that is not to be protected needs no public one. Raises ConfigurationError for a class without a match.
    """
    workspace = Folder(config.workspace)
    with failures.kept(workspace, "match", "classes"), doubted_when_changed(workspace):
        if public is not None and mapping.by_sight(config):
            return _by_sight(config, private, public, workspace)
        return _written(workspace, mapping.by_rule(config, private, public))


def _by_sight(config: ProtectConfig, private: DatasetManifest, public: DatasetManifest, workspace: Folder) -> Any:
    """The mapping of the classes by what they look like, or a state that says it was made before."""
    key = load_key(workspace, config.key_file, secret_block(config.key_block))
    matching, inputs = config.matching, mapping.inputs_by_sight(config, private, public, key)
    done = workspace.load(MAPPING, Mapping)
    if done is not None and done.inputs == inputs:
        log("the classes were matched before")
        _tell(done)
        return cached(done)
    matches = _look(config, private, public, key)
    record = Mapping(inputs=inputs, how="visual", embedder=visual.name_of(matching), matches=matches)
    return _written(workspace, record)


def _look(
    config: ProtectConfig, private: DatasetManifest, public: DatasetManifest, key: BucketKey
) -> tuple[ClassMatch, ...]:
    matching, device = config.matching, pick_device(config.device)
    size = mapping.side(config, private)
    with gpu_gate(device.type):
        # Before a picture is read: a backbone may not be at hand.
        embed = visual.embedder(matching, key, device, lambda note: progress.advance("match", 1, note))
        covered, names = mapping.covered(config, private), private.class_names
        pictures = sample.load(private, size, matching.samples, key, device, covered)
        ours = covered, visual.labelled_by(covered, names, pictures)
        theirs = public.class_names, sample.load(public, size, matching.samples, key, device)
        progress.start("match", *visual.steps(matching))
        found = visual.match(matching.assignment, embed, ours, theirs)
        progress.finish("match")
    return tuple(ClassMatch(**asdict(one)) for one in found)


def _written(workspace: Folder, record: Mapping) -> Mapping:
    workspace.save(MAPPING, record)
    log(f"{len(record.matches)} classes matched by {record.how}")
    _tell(record)
    return record


def _tell(record: Mapping) -> None:
    """Show the matches, and name those that somebody should look at, in one line."""
    artifacts.table("matches", shown.matches(record), "Which class's noise each class gets")
    doubtful = [
        f"{one_line(m.private)} -> {one_line(m.public)} ({m.score:.2f}, {one_line(m.runner_up or '')} "
        f"{m.runner_up_score:.2f})"
        for m in record.matches
        if m.ambiguous
    ]
    if doubtful:
        more = f" and {len(doubtful) - _NAMED} more" if len(doubtful) > _NAMED else ""
        listed = ", ".join(doubtful[:_NAMED]) + more
        warn(f"ambiguous matches: {listed}; check {MAPPING}, or give --mapping")
