"""The house rules that no other tool checks, the proof that the import contract bites, and what the pages promise."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml

from flows.cli.main import app
from schemas.protect import ProtectConfig

ROOT = Path(__file__).parents[1]
PACKAGES = ("flows", "tasks", "schemas", "infra")
LONGEST_FILE = 250
LONGEST_FLOW = 150
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")

# Contract of .importlinter, the module that offends it, and how.
OFFENCES = [
    ("layers", "tasks/shard/labels.py", "from tasks.noise import resize"),
    ("layers", "tasks/nn/fold.py", "from tasks.match import classes"),
    ("layers", "tasks/match/classes.py", "import tasks.noise.pgd"),
    ("layers", "tasks/rewrite/card.py", "from tasks.evaluate import cells"),
    ("layers", "tasks/evaluate/cells.py", "from tasks.report import svg"),
    ("layers", "infra/keys.py", "from tasks.nn import fold"),
    ("layers", "tasks/report/grid.py", "import flows.protect"),
    ("prefect", "tasks/shard/sample.py", "from prefect import task"),
    ("prefect", "tasks/report/frame.py", "import prefect.artifacts"),
    ("prefect", "infra/storage.py", "import prefect"),
    ("prefect", "schemas/base.py", "def later():\n    import prefect"),
    ("orchestration", "tasks/rewrite/shard.py", "from infra.orchestration import log"),
    ("orchestration", "tasks/evaluate/victim.py", "from infra import runners"),
    ("orchestration", "tasks/report/write.py", "from tasks.evaluate import stage"),
    ("orchestration", "infra/keyring.py", "from infra import orchestration"),
    ("schemas", "schemas/noise.py", "from infra import errors"),
    ("schemas", "schemas/dataset.py", "import tasks.shard.labels"),
    ("core", "tasks/noise/pgd.py", "import pydantic"),
    ("core", "tasks/nn/train.py", "from schemas import noise"),
    ("core", "tasks/noise/methods/random.py", "from infra import storage"),
    ("core", "tasks/noise/resize.py", "import webdataset"),
    ("core", "tasks/noise/fitted.py", "import s3fs"),
]


def contract_name(section: str) -> str:
    found = re.search(rf"contract:{section}\]\nname = (.+)", (ROOT / ".importlinter").read_text())
    assert found, f"no contract {section} in .importlinter"
    return found[1]


def lint_imports(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-logo", "--no-cache", *options]
    plain = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=plain, capture_output=True, text=True, check=False)


def sources() -> list[Path]:
    files = (file for package in PACKAGES for file in (ROOT / package).rglob("*"))
    return [file for file in files if file.is_file() and "__pycache__" not in file.parts]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def test_import_contract_is_kept():
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("section", "module", "offence"), OFFENCES)
def test_import_contract_bites(copy: Path, section: str, module: str, offence: str):
    file = copy / module
    file.write_text(f"{file.read_text()}\n{offence}\n")
    done = lint_imports(copy, "--contract", section)
    assert done.returncode != 0
    assert f"{contract_name(section)} BROKEN" in done.stdout


def test_import_contract_is_kept_in_a_copy(copy: Path):
    """So what breaks it above is the offence alone."""
    done = lint_imports(copy)
    assert done.returncode == 0, done.stdout + done.stderr


def test_type_checking_imports_do_not_count(copy: Path):
    file = copy / "tasks/noise/pgd.py"
    file.write_text(f"{file.read_text()}\nif TYPE_CHECKING:\n    from schemas import noise\n")
    assert lint_imports(copy, "--contract", "core").returncode == 0


def test_prefect_server_imports(tmp_path: Path):
    """prefect 3.8.8 with a fastapi of its choice can't: the pins of pyproject.toml are there for this."""
    quiet = {"PREFECT_HOME": str(tmp_path), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    command = [sys.executable, "-c", "import prefect.server.api.server"]
    done = subprocess.run(command, env={**os.environ, **quiet}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_inits_are_empty():
    inits = [file for folder in (*PACKAGES, "tests") for file in (ROOT / folder).rglob("__init__.py")]
    assert [file for file in inits if file.read_bytes()] == []


def test_every_folder_of_modules_is_a_package():
    assert [file for file in sources() if file.suffix == ".py" and not (file.parent / "__init__.py").exists()] == []


def test_files_fit_on_a_few_screens():
    lines = {file.relative_to(ROOT): len(file.read_text().splitlines()) for file in sources()}
    assert {file: count for file, count in lines.items() if count > LONGEST_FILE} == {}
    flows = {file: count for file, count in lines.items() if file.parts[0] == "flows" and "cli" not in file.parts}
    assert flows
    assert {file: count for file, count in flows.items() if count >= LONGEST_FLOW} == {}


def test_lock_has_hashes_and_no_address():
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert " @ " not in text
    requirements = text.replace("\\\n", " ").splitlines()
    assert len(requirements) > 100
    pinned = re.compile(r"\S+==\S+( ; .+?)?(\s+--hash=sha256:[0-9a-f]{64})+")
    assert [line for line in requirements if not pinned.fullmatch(line)] == []


def test_lock_pins_what_setup_starts_from():
    """`make setup` takes uv out of the lock, and builds with the hatchling that it installed."""
    names = re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)
    assert {"uv", "hatchling", "pytest", "ruff", "pyright", "import-linter"} <= set(names)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_make_targets_of_the_pages_exist(page: str):
    text = (ROOT / page).read_text()
    targets = set(re.findall(r"(?:`|^)make ([a-z]+)", text, flags=re.MULTILINE))
    assert targets
    for target in targets:
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_relative_links_of_the_pages_lead_somewhere():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text())]
    assert links
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []


def options() -> dict[str, set[str]]:
    """The options that each command's --help names."""
    commands = typer.main.get_command(app).commands
    return {
        name: {"--help", *(word for given in command.params for word in [*given.opts, *given.secondary_opts])}
        for name, command in commands.items()
    }


def own_text(page: Path) -> str:
    """A page, lines that go on joined, without the commands of others and comments behind ours."""
    text = re.sub(r"\\\n\s*", " ", page.read_text())
    return re.sub(r"(\bprefect|\bpython -m|\bray) [^`\n]*|\s# .*", "", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_of_the_pages_exist(page: Path):
    known = set.union({"--version", "--install-completion", "--show-completion"}, *options().values())
    assert set(OPTION.findall(own_text(page))) - known == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_the_pages_have_their_options(page: Path):
    known = options()
    for command, rest in re.findall(r"unlearnable +([a-z]+)([^`\n]*)", own_text(page)):
        assert set(OPTION.findall(rest)) - known[command] == set(), f"unlearnable {command}{rest}"


def test_configurations_of_the_pages_are_valid():
    """Each YAML block of docs/operating.md is a whole configuration of a protect run, and changes something."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "operating.md").read_text(), flags=re.DOTALL)
    assert blocks
    for block in blocks:
        given = ProtectConfig.model_validate(yaml.safe_load(block))
        assert ProtectConfig.model_validate(given.model_dump()) == given
