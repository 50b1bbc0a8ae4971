"""What the names of victims and countermeasures on the command line stand for."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from pydantic import ValidationError

from flows.cli import options
from infra.errors import ConfigurationError
from schemas.countermeasures import TIER_A, TIER_B, Countermeasure
from schemas.recipe import Family
from schemas.victims import Victim

VICTIMS = options.kinds(Victim)
COUNTERMEASURES = options.kinds(Countermeasure)
SUITES = {"tier-a": TIER_A, "tier-b": TIER_B}
FAMILIES: tuple[str, ...] = get_args(Family)
PRETRAINED = tuple(kind for kind, schema in VICTIMS.items() if "backbone" in schema.model_fields)

_DEFAULT_VICTIM = "tiny"
_FURTHER = "-by-"  # stands between the values in a name that has several
_NAMES = [each.name for suite in SUITES.values() for each in suite]


def countermeasures(names: Sequence[str]) -> list[Countermeasure]:
    """Countermeasures and suites by their names, in order, each name once. Raises ConfigurationError."""
    found = [each for name in names for each in (SUITES[name] if name in SUITES else [countermeasure(name)])]
    return list({each.name: each for each in found}.values())


def countermeasure(name: str) -> Countermeasure:
    """`jpeg-30` as a schema: the kind, then values for its fields in their order, `-by-` between them.

    Every name that a countermeasure gives itself is read back as that countermeasure. Raises ConfigurationError when
    no kind is called so, when a value is not in its range, or when it has more digits than the name would tell.
    """
    found = _read(name)
    if _read(found.name) != found:
        problem = f"{name} says more than the name {found.name}, which it would have in a report"
        raise ConfigurationError(problem, "give fewer digits, or set it in a file for --config")
    return found


def victims(names: Sequence[str] | None, stated: Any, recipe: Mapping[str, Any], weights: Mapping[str, Any]) -> Any:
    """Fields of victims: of those named, else as `stated` in a configuration file, with `recipe` and `weights` set.

    What is None in `recipe` (fields of a Recipe) and in `weights` (fields of pretrained victims) stays as it is.
    Raises ConfigurationError for an unknown name, and for weights that no victim takes.
    """
    recipe, weights = options.merge({}, recipe), options.merge({}, weights)
    if names is not None:
        stated = [{"kind": _victim(name)} for name in names]
    elif stated is None and (recipe or weights):
        stated = [{"kind": _DEFAULT_VICTIM}]
    if not isinstance(stated, list) or not (recipe or weights):
        return stated
    if weights and not any(_kind(each) in PRETRAINED for each in stated):
        problem = f"--{' and --'.join(weights)} are for victims that start from pretrained weights"
        raise ConfigurationError(problem, f"add one to --victims: {', '.join(PRETRAINED)}")
    return [_changed(each, recipe, weights) for each in stated]


def _victim(name: str) -> str:
    if name not in VICTIMS:
        raise ConfigurationError(f"no victim is called {name}", _mend(name, VICTIMS))
    return name


def _kind(victim: Any) -> str:
    """The kind of a victim's fields; empty for what is none: the schema says what is wrong with it."""
    found = victim.get("kind") if isinstance(victim, dict) else None
    return found if isinstance(found, str) and found in VICTIMS else ""


def _changed(victim: Any, recipe: Mapping[str, Any], weights: Mapping[str, Any]) -> Any:
    kind = _kind(victim)
    given = victim.get("recipe", _own(kind)) if kind else None
    if not isinstance(given, Mapping):
        return victim
    return options.merge(victim, {**(weights if kind in PRETRAINED else {}), "recipe": {**given, **recipe}})


def _own(kind: str) -> dict[str, Any]:
    """What a kind's recipe states of itself: its family, and what sets it apart from that family's recipe."""
    recipe = VICTIMS[kind].model_fields["recipe"].default
    of_family = type(recipe)(family=recipe.family).model_fields_set
    return {"family": recipe.family, **recipe.model_dump(include=recipe.model_fields_set - of_family)}


def _read(name: str) -> Any:
    """The schema that a name stands for."""
    problem = f"no countermeasure is called {name}"
    mend = f"{_mend(name, [*COUNTERMEASURES, *SUITES], _NAMES)}; jpeg-10 is JPEG at quality 10"
    kinds = [kind for kind in COUNTERMEASURES if f"{name}-".startswith(f"{kind}-")]
    if not kinds:
        raise ConfigurationError(problem, mend)
    kind = max(kinds, key=len)
    values = name[len(kind) + 1 :].split(_FURTHER) if name != kind else []
    parameters = _parameters(kind)
    if len(values) > len(parameters):
        raise ConfigurationError(f"{problem}: {kind} has fewer values to set", mend)
    fields = {"kind": kind, **dict(zip(parameters, map(_value, values), strict=False))}
    try:
        return COUNTERMEASURES[kind].model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or kind
        raise ConfigurationError(f"{problem}: {where}: {first['msg']}", mend) from error


def _parameters(kind: str) -> list[str]:
    return [field for field in COUNTERMEASURES[kind].model_fields if field != "kind"]


def _value(text: str) -> int | float | str:
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _mend(name: str, known: Iterable[str], others: Iterable[str] = ()) -> str:
    """What to write instead: what is called nearly so, of what is `known` and of `others`, and all that is known."""
    near = difflib.get_close_matches(name, dict.fromkeys([*known, *others]), n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    return f"{guess}take from {', '.join(known)}"
