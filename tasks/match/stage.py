"""Prefect task of the match stage."""

from prefect import task

from infra.orchestration import RETRIES, log
from infra.storage import Folder
from schemas.base import digest
from schemas.dataset import DatasetManifest
from schemas.protect import ClassMatch, Mapping
from tasks.match import classes
from tasks.shard.sources.listing import locate


@task(name="match classes", task_run_name="match classes", **RETRIES)
def match_classes(
    private: DatasetManifest, public: DatasetManifest | None, mapping: str | None, workspace: str
) -> Mapping:
    """Match each private class with the public class that makes its noise; writes WORKSPACE/match/mapping.json.

    Raises ConfigurationError for a class without a match.
    """
    names, inputs = private.class_names, [list(private.class_names)]
    if public is None:
        how, pairs = "identity", classes.identity(names)
    elif mapping is None:
        how, pairs = "name", classes.by_name(names, public.class_names)
        inputs.append(list(public.class_names))
    else:
        folder, name = locate(mapping)
        text = folder.read(name)
        how, pairs = "file", classes.from_file(text, mapping, names, public.class_names)
        inputs += [list(public.class_names), [text.decode(errors="replace")]]
    matches = tuple(ClassMatch(private=a, public=b) for a, b in pairs)
    record = Mapping(inputs=digest(*inputs), how=how, matches=matches)
    Folder(workspace).save("match/mapping.json", record)
    log(f"{len(matches)} classes matched by {how}")
    return record
