"""Every command of the pages is run: here, in the order in which they stand, or where tests/docs/elsewhere.py says."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from infra.orchestration import server_url
from tests.docs import tables
from tests.docs.commands import PAGES, ROOT, Command, blocks, commands, split
from tests.docs.elsewhere import ELSEWHERE, NOWHERE, PYTHON_ELSEWHERE
from tests.docs.scene import Scene, credentials, forget
from tests.flows.cli_helpers import Said

WRITTEN = [command for page in PAGES for command in commands(page)]
MEND = "mend the page; or, if it only can't be run here, give it a stand-in in tests/docs/tables.py"
ENTER = (
    "is run by no test: let tests/docs/scene.py run its program (PROGRAMS in tests/docs/tables.py), or enter it in "
    "tests/docs/elsewhere.py, with the file that runs it or with the reason why none can"
)


def is_elsewhere(command: Command) -> bool:
    if command.language == "python":
        return command.page in PYTHON_ELSEWHERE
    return command.text in ELSEWHERE or command.text in NOWHERE


HERE = [command for command in WRITTEN if not is_elsewhere(command)]


@pytest.fixture(scope="module")
def scene(prefect_server: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    root = tmp_path_factory.mktemp("scene")
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        credentials(patch, root)
        found = Scene(root, f"http://{host}:{port}", server_url())
        yield found
        found.begin("")
        forget()
    server.stop()


def program(text: str) -> str:
    """The program of a command, without its folder and the variables that are set for it."""
    words = [word for word in shlex.split(text) if "=" not in word or word.startswith("-")]
    return words[0].rstrip(";").rpartition("/")[2] if words else ""


def problems(scene: Scene, command: Command, said: Said) -> list[str]:
    """What is wrong with what a command has done."""
    if said.status != 0:
        return [f"ended with status {said.status}"]
    words = [word for text, all_ in tables.WORDS.items() if text in command.text for word in all_]
    globs = [glob for text, all_ in tables.FILES.items() if text in command.text for glob in all_]
    found = [f"does not print {word!r}" for word in words if word not in said.out]
    found += [f"leaves no {glob}" for glob in globs if not any(scene.root.glob(glob))]
    if "--open" in command.text and not Path("".join(scene.shown[-1:]).removeprefix("file://")).is_file():
        found.append("opens no file in a browser")
    return found


@pytest.mark.parametrize("page", list(dict.fromkeys(command.page for command in HERE)))
def test_the_commands_of_a_page_do_what_it_says(scene: Scene, page: str) -> None:
    wrong = []
    scene.turn_to(page)
    for command in HERE:
        if command.page == page:
            said = scene.run(command)
            as_run = scene.written_for(command) if command.language == "sh" else "(python)"
            wrong += [
                f"{command.place}: {command.text}\n  {problem}, run as: {as_run}\n{said.out[-2000:]}{said.err[-2000:]}"
                for problem in problems(scene, command, said)
            ]
    assert not wrong, "\n\n".join([*wrong, MEND])


def test_every_command_is_run_here_or_somewhere() -> None:
    unknown = [each for each in HERE if each.language == "sh" and program(each.text) not in tables.PROGRAMS]
    assert not unknown, "\n".join(f"{each.place}: {each.text}\n  {ENTER}" for each in unknown)


@pytest.mark.parametrize("table", [ELSEWHERE, NOWHERE], ids=["elsewhere", "nowhere"])
def test_what_is_run_elsewhere_stands_in_the_pages(table: dict[str, object]) -> None:
    there = {command.text for command in WRITTEN}
    assert [text for text in table if text not in there] == [], "no page holds these any more: take them out"


@pytest.mark.parametrize("table", [ELSEWHERE, PYTHON_ELSEWHERE], ids=["commands", "python"])
def test_the_places_that_run_them_are_there(table: dict[str, tuple[str, str]]) -> None:
    missing = [
        (command, file, text)
        for command, (file, text) in table.items()
        if not (ROOT / file).is_file() or text not in (ROOT / file).read_text()
    ]
    assert missing == [], "these files do not hold the text by which they run the command"


def test_every_stand_in_and_promise_is_for_something_in_the_pages() -> None:
    """But for stand-ins of all pages: any page may come to need them."""
    of_pages = [(page, written) for page, written, _ in tables.STAND_INS if page]
    promised = [("", written) for written in (*tables.WORDS, *tables.FILES)]
    unused = [
        (page, written)
        for page, written in of_pages + promised
        if not any(page in {"", each.page} and written in each.text for each in HERE)
    ]
    assert unused == [], "no command of the pages has these any more: take them out of tests/docs/tables.py"


def test_commands_stand_in_blocks_called_sh() -> None:
    """In blocks of another name nobody would look for them."""
    found = [(each.page, each.line, each.language) for page in PAGES for each in blocks(page)]
    known = {"sh", "python", "yaml", "yml", "diff", "mermaid", ""}
    assert [each for each in found if each[2] not in known] == []


def test_a_block_is_split_as_a_shell_would() -> None:
    text = "a 'b # c' d   # e\n# f\ng \\\n    --h 1  # i\npython -c \"j\nk\"\n\nl=1 m; n\n"
    assert split(text) == [(0, "a 'b # c' d"), (2, "g --h 1"), (4, 'python -c "j\nk"'), (7, "l=1 m; n")]
