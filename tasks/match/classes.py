"""Which public class makes the noise for which private class."""

import json
import re
from collections.abc import Sequence

import yaml

from infra.errors import ConfigurationError, one_line


def identity(classes: Sequence[str]) -> list[tuple[str, str]]:
    """Each class with itself: the noise is made on the private data."""
    return [(name, name) for name in classes]


def by_name(private: Sequence[str], public: Sequence[str]) -> list[tuple[str, str]]:
    """Classes whose names are the same once case and all but letters and digits are left out.

    Raises ConfigurationError that lists every class without a match, and every public name that is ambiguous.
    """
    by_plain: dict[str, list[str]] = {}
    for name in public:
        by_plain.setdefault(_plain(name), []).append(name)
    # A name that is there as it stands needs no likeness: classes called -1 and 1 are alike without their signs.
    found = {name: [name] if name in public else by_plain.get(_plain(name), []) for name in private}
    missing = [name for name, candidates in found.items() if not candidates]
    if missing:
        problem = f"no public class is called like {_listed(missing)}; the public classes are {_listed(public)}"
        raise ConfigurationError(problem, "write a mapping file and give it with --mapping")
    ambiguous = [name for name, candidates in found.items() if len(candidates) > 1]
    if ambiguous:
        problem = f"several public classes are called like {_listed(ambiguous)}"
        raise ConfigurationError(problem, "say which in a mapping file and give it with --mapping")
    return [(name, candidates[0]) for name, candidates in found.items()]


def from_file(
    text: bytes, url: str, private: Sequence[str], public: Sequence[str], covered: Sequence[str]
) -> list[tuple[str, str]]:
    """Matches of the `covered` private classes by a mapping, YAML or JSON: private class name -> public class name.

    Raises ConfigurationError for a file that is no such mapping, a covered class that it leaves out, and a
    name on either side that names no class.
    """
    stated = _parse(text, url)
    strangers = [name for name in stated if name not in private]
    if strangers:
        problem = f"{url} maps {_listed(strangers)}, which the private dataset does not have"
        raise ConfigurationError(problem, f"its classes are {_listed(private)}")
    missing = [name for name in covered if name not in stated]
    if missing:
        raise ConfigurationError(f"{url} maps no class for {_listed(missing)}", "add them to the file")
    unknown = [name for name in stated.values() if name not in public]
    if unknown:
        problem = f"{url} maps to {_listed(unknown)}, which the public dataset does not have"
        raise ConfigurationError(problem, f"its classes are {_listed(public)}")
    return [(name, stated[name]) for name in covered]


def _parse(text: bytes, url: str) -> dict[str, str]:
    try:
        found = json.loads(text) if url.lower().endswith(".json") else yaml.load(text, yaml.BaseLoader)  # noqa: S506
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigurationError(f"mapping file {url} can't be parsed: {error}", "write YAML or JSON") from error
    if not isinstance(found, dict) or not found:
        raise ConfigurationError(f"mapping file {url} is no mapping", "write PRIVATE_CLASS: PUBLIC_CLASS, a line each")
    return {str(name): str(public) for name, public in found.items()}


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold()) or name


def _listed(names: Sequence[str], most: int = 10) -> str:
    shown = ", ".join(one_line(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
