"""The shell completes commands, options, and the names that options take."""

import os
import subprocess

import pytest

from tests.flows.cli_helpers import SCRIPT


def completed(tmp_path, line):
    """What bash is offered for the last word of a line."""
    words = line.split(" ")
    asked = {"_UNLEARNABLE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    environment = {**os.environ, **asked, "HOME": str(tmp_path)}
    done = subprocess.run([SCRIPT], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("unlearnable prot", {"protect", "protect-bucket"}),
        ("unlearnable report w --comp", {"--compare"}),
        ("unlearnable protect a b --form s", {"sample-wise"}),
        ("unlearnable protect a b --method error-mi", {"error-minimizing", "error-minimizing-lbfgs"}),
        ("unlearnable evaluate a --victims resnet18,vg", {"resnet18,vgg11"}),
        ("unlearnable evaluate a --countermeasures none,gray", {"none,grayscale"}),
        ("unlearnable report w --judgement un", {"undone", "unknown"}),
    ],
)
def test_a_word_is_completed(tmp_path, line, offered):
    assert offered <= set(completed(tmp_path, line))


def test_a_script_for_the_shell_is_shown(tmp_path):
    asked = {**os.environ, "_UNLEARNABLE_COMPLETE": "source_bash", "HOME": str(tmp_path)}
    done = subprocess.run([SCRIPT], env=asked, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "complete_bash" in done.stdout
