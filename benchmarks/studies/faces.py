"""The face case in small: `python -m benchmarks.studies.faces`.

20 of 62 private identities are protected, with noise made on them and 96 public identities together; victims are
trained on all 62, at 40 px. What counts is the accuracy on the protected identities beside that on the others.
"""

import json
from functools import partial

import torch

from benchmarks.studies import lab
from benchmarks.studies.lab import DATA, Cell, Made, Set
from benchmarks.studies.product import protected
from schemas.recipe import TinyRecipe
from schemas.victims import TinyVictim

SIZE = 40
VICTIM = TinyVictim(recipe=TinyRecipe(epochs=20))


def identities() -> tuple[str, ...]:
    """The 20 identities that are protected: those with the most pictures."""
    data = lab.load("lfw-target", "train", SIZE)
    most = torch.bincount(data.labels, minlength=len(data.classes)).argsort(descending=True, stable=True)
    return tuple(data.classes[i] for i in most[:20].tolist())


def test_set() -> Set:
    return lab.load("lfw-target", "test", SIZE)


def _clean() -> Made:
    return Made(lab.load("lfw-target", "train", SIZE))


def _protected(*options: str) -> Made:
    chosen = ",".join(identities())
    public = ("--public", str(DATA / "lfw-source"), "--matching", "context")
    return protected("faces", "lfw-target", SIZE, "--classes", chosen, "--working-size", str(SIZE), *public, *options)


def cells() -> list[Cell]:
    return [
        Cell("clean", _clean, test_set, (VICTIM,)),
        Cell("20 identities protected, in context", partial(_protected, "--epsilon", "16"), test_set, (VICTIM,)),
    ]


def split(row: dict, classes: tuple[str, ...], chosen: set[str]) -> dict:
    """Mean accuracy over the protected identities and over the others, by run."""
    test = test_set()
    counts = torch.bincount(test.labels, minlength=len(classes)).float()
    ours = torch.tensor([name in chosen for name in classes])
    parts = {}
    for name, mask in (("protected", ours), ("others", ~ours)):
        right = [
            float((torch.tensor(run["by_class"]) * counts)[mask].sum() / counts[mask].sum()) for run in row["runs"]
        ]
        parts[name] = [round(value, 2) for value in right]
    return parts


if __name__ == "__main__":
    rows = lab.run("benchmarks.studies.faces", cells())
    names = tuple(json.loads((DATA / "lfw-target" / "classes.json").read_text()))
    for row in rows:
        row["accuracy"] = split(row, names, set(identities()))
        row["notes"].pop("matches", None)
        for run in row["runs"]:
            run.pop("by_class")
        print(row["cell"], {name: lab.mean_and_spread(values) for name, values in row["accuracy"].items()})
    lab.write(lab.RESULTS / "faces.json", {"command": "python -m benchmarks.studies.faces", "rows": rows})
