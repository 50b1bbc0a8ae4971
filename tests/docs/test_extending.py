"""docs/extending.md as code: its blocks are laid into a copy of the tree, and the product is run from there."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prefect.settings import get_current_settings
from scipy.ndimage import gaussian_filter

from tests.flows.cli_helpers import Places, Said, environment
from tests.tasks.shard.helpers import picture

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "extending.md"
COPIED = ("flows", "tasks", "schemas", "infra", "tests", "docs", "pyproject.toml", "ruff.toml", ".importlinter")
MOST_LINES = 60
SECTION = re.compile(r"^## A (method|victim|countermeasure)\n(.*?)(?=^## )", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(
    r"^`(?P<file>[\w/.]+)`(?:, above `(?P<above>\w+)`)?:\n\n```(?P<language>python|diff)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
PICTURES = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
PICTURES[2] = (10, 128, 250)
METHOD, VICTIM, COUNTERMEASURE = MEMBERS = ("linearly-separable", "all-cnn", "high-pass-2")

# Runs in the copy, and tells where it lies, which kinds the parameter forms of the flows offer, what the new
# countermeasure makes of pictures, and what the command line says to commands.
RUN = """
import dataclasses, json, sys
import flows, schemas, tasks, torch
from flows.cli.suites import countermeasure
from schemas.evaluate import EvaluateConfig
from schemas.protect import ProtectConfig
from tasks.evaluate.treatment import treatment_of
from tests.flows.cli_helpers import unlearnable

given = json.load(sys.stdin)
fields = ProtectConfig.model_json_schema()["properties"] | EvaluateConfig.model_json_schema()["properties"]
unions = fields["method"], fields["victims"]["items"], fields["countermeasures"]["items"]
pictures = torch.tensor(given["pictures"], dtype=torch.uint8)
told = {
    "files": [package.__file__ for package in (flows, schemas, tasks)],
    "forms": [list(union["discriminator"]["mapping"]) for union in unions],
    "passed": treatment_of(countermeasure("high-pass-2")).pictures(pictures).tolist(),
    "said": {name: dataclasses.astuple(unlearnable(*words)) for name, words in given["commands"].items()},
}
print(json.dumps(told))
"""

# The new method among those of the repository's own tests, as the page says.
ENTRY = """
from schemas.noise import LinearlySeparable

METHODS["linearly separable"] = LinearlySeparable()
CLASS_WISE.append("linearly separable")
"""


@dataclass(frozen=True)
class Block:
    """A fenced block of the page: a new file, what goes into a file above a name, or an edit."""

    file: str
    above: str | None
    language: str
    code: str

    @property
    def new(self) -> bool:
        return self.above is None and self.language == "python"

    def lay(self, root: Path) -> None:
        """Do to a copy of the tree what the block says; what it is laid onto has to be there once."""
        target = root / self.file
        if self.new:
            assert not target.exists(), f"{self.file} is there already"
            target.write_text(self.code)
            return
        text = target.read_text()
        if self.above is None:
            sides = self.code.splitlines(keepends=True)
            old, new = ("".join(line[1:] for line in sides if line[0] in signs) for signs in (" -", " +"))
        else:
            found = re.search(rf"^(?:class {self.above}\b|{self.above} =).*\n", text, re.MULTILINE)
            assert found, f"{self.file} defines no {self.above}"
            old, new = found[0], f"{self.code}\n\n{found[0]}"
        assert text.count(old) == 1, f"{self.file} has {text.count(old)} times what the page edits:\n{old}"
        target.write_text(text.replace(old, new))


EXAMPLES = {
    name: [Block(*found.group("file", "above", "language", "code")) for found in BLOCK.finditer(text)]
    for name, text in SECTION.findall(PAGE.read_text())
}
BLOCKS = [block for blocks in EXAMPLES.values() for block in blocks]
each_example = pytest.mark.parametrize("example", ["method", "victim", "countermeasure"])


@dataclass(frozen=True)
class Product:
    """A copy of the tree with all examples in it, run in processes of its own."""

    root: Path
    server: str

    def run(self, tool: str, *arguments: str, given: object = None) -> subprocess.CompletedProcess[str]:
        """A tool of this environment in the copy; it finds `given` as JSON on stdin."""
        command, text = [str(Path(sys.executable).parent / tool), *arguments], json.dumps(given)
        plain = {**environment(self.root.parent, self.server), "PYTHONPATH": str(self.root)}
        return subprocess.run(
            command, cwd=self.root, env=plain, input=text, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="module")
def product(prefect_server, tmp_path_factory) -> Product:
    root = tmp_path_factory.mktemp("extended") / "tree"
    root.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, root)
    for block in BLOCKS:
        block.lay(root)
    server = get_current_settings().api.url
    assert server
    return Product(root, server)


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Places:
    return Places(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="module")
def told(product, digits, tmp_path_factory) -> dict[str, Any]:
    """What the copy tells when it has a folder of pictures and the embedded digits to work on."""
    pictures = Places(tmp_path_factory.mktemp("pictures"))
    for i in range(24):
        pictures.put_bytes(f"{'cats' if i % 2 else 'dogs'}/{i:02d}.png", picture(i, height=12 + i % 5, width=16))
    method = ("--method", METHOD, "--epsilon", 6)
    private = ("--workspace", digits.workspace)
    evaluate = ("evaluate", digits.destination, "--clean", "digits", "--test", "digits", *private)
    named = ("--victims", VICTIM, "--countermeasures", f"none,{COUNTERMEASURE}", "--epochs", 1, "--seeds", 1)
    commands = {
        "help of protect": ("protect", "--help"),
        "help of evaluate": ("evaluate", "--help"),
        "plan": ("plan", pictures.source, pictures.destination, *method, "--json"),
        "protect": pictures.arguments("protect", *method, "--workers", 1, "--json"),
        "verify": ("verify", pictures.destination, "--clean", pictures.source, "--json"),
        "protect digits": ("protect", "digits", digits.destination, *private, *method, "--limit", 60),
        "evaluate": (*evaluate, *named, "--json"),
    }
    words = {name: [str(word) for word in command] for name, command in commands.items()}
    done = product.run("python", "-c", RUN, given={"commands": words, "pictures": PICTURES.tolist()})
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {Path(file).parents[1] for file in found["files"]} == {product.root}, "not the copy is what ran"
    return found


@pytest.fixture(scope="module")
def said(told) -> dict[str, Said]:
    return {name: Said(*one) for name, one in told["said"].items()}


@each_example
def test_an_example_is_under_60_lines(example):
    written = [line for block in EXAMPLES[example] for line in block.code.splitlines() if line.strip()]
    assert 0 < len(written) < MOST_LINES


@each_example
def test_an_example_is_one_module_one_schema_and_its_name_in_the_union(example):
    blocks = EXAMPLES[example]
    assert [Path(block.file).parts[0] for block in blocks if block.new] == ["tasks"]
    rest = [block for block in blocks if not block.new]
    assert {Path(block.file).parts[0] for block in rest} == {"schemas"}
    assert [len(re.findall(r"^class ", block.code, re.MULTILINE)) for block in rest if block.above] == [1]
    assert all(block.language == "diff" for block in rest if not block.above)


def test_every_block_of_code_says_what_it_is():
    assert len(re.findall(r"^```(?:python|diff)$", PAGE.read_text(), re.MULTILINE)) == len(BLOCKS)


def test_the_examples_keep_to_the_repositorys_style(product):
    for command in (("check", "--no-cache"), ("format", "--check", "--no-cache")):
        done = product.run("ruff", *command, *{block.file for block in BLOCKS})
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_examples_keep_the_import_contract(product):
    done = product.run("lint-imports", "--no-logo", "--no-cache")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_new_members_are_in_the_parameter_forms_and_in_the_help(told, said):
    helped = [said[f"help of {command}"].out for command in ("protect", "evaluate", "evaluate")]
    for kind, form, listed in zip((METHOD, VICTIM, "high-pass"), told["forms"], helped, strict=True):
        assert kind in form
        assert kind in re.sub(r"\W*\n\W*", " ", listed)


def test_the_new_method_protects_pictures_within_the_budget(said):
    assert said["plan"].json["samples"] == 24
    done = said["protect"].json
    assert (done["protected"], done["quarantined"], done["max_abs_change"]) == (24, 0, 6)
    audit = said["verify"].json
    assert (audit["ok"], audit["samples"], audit["max_abs_change"], audit["problems"]) == (True, 24, 6, [])


def test_the_new_victim_and_the_new_countermeasure_are_evaluated(said, digits):
    rows = {(row["method"], row["victim"], row["countermeasure"]) for row in said["evaluate"].json["results"]}
    cells = [(method, each) for method in ("none", METHOD) for each in ("none", COUNTERMEASURE)]
    assert rows == {(method, VICTIM, each) for method, each in cells}
    runs = [json.loads(file.read_text()) for file in (digits.workspace / "evaluate").glob("*.json")]
    losses = {run["curve"][0]["loss"] for run in runs}
    assert len(losses) == len(runs) == len(cells), "the noise or the countermeasure did nothing to training"
    report = Path(said["evaluate"].json["report"]).with_name("report.md").read_text()
    assert [member for member in MEMBERS if member not in report] == []


def test_the_new_countermeasure_takes_low_frequencies_off(told):
    found, values = np.array(told["passed"]), PICTURES.astype(float)
    low = gaussian_filter(values, (0, 2, 2, 0), mode="mirror", truncate=3)
    expected = np.clip(values - low + values.mean((1, 2), keepdims=True), 0, 255)
    assert np.abs(found - expected).max() < 0.51
    assert np.array_equal(found[2], PICTURES[2]), "a flat picture has nothing to lose"
    assert np.abs(found[:2] - values[:2]).mean() > 2


def test_the_repositorys_tests_take_the_new_members_up(product):
    """Those of countermeasures by themselves; those of methods once there is an entry among theirs."""
    helpers = product.root / "tests" / "tasks" / "noise" / "helpers.py"
    helpers.write_text(helpers.read_text() + ENTRY)
    about = ("stored_budget", "determinism", "placement", "mixtures")
    files = [*(f"tests/tasks/noise/test_{each}.py" for each in about), "tests/tasks/evaluate/test_countermeasures.py"]
    done = product.run("pytest", *files, "-k", "linearly or high-pass", "-rA")
    assert done.returncode == 0, done.stdout
    assert [file for file in files if f"PASSED {file}::" not in done.stdout] == []
