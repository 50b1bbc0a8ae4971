"""Where a bucket's secret key comes from: the environment, a file, a Secret block, or the workspace."""

import os
import secrets
import socket
from pathlib import Path

from infra.errors import ConfigurationError
from infra.keys import BucketKey
from infra.storage import Folder

VARIABLE = "UNLEARNABLE_KEY"
FILE = "secret.key"
_SHORTEST = 8


def load_key(workspace: Folder, key_file: str | None, block_secret: str | None = None) -> BucketKey:
    """The key of a bucket: UNLEARNABLE_KEY, else `key_file`, else a Secret block, else one kept in the workspace.

    Raises ConfigurationError for a key that is too short or a file that can't be read.
    """
    key = known_key(workspace, key_file, block_secret)
    if key is None:
        # Of two first runs that start together one makes the key; the other finds it.
        workspace.create(FILE, (secrets.token_hex(32) + "\n").encode(), private=True)
        key = _checked(workspace.read(FILE).decode(errors="replace"), workspace.object_url(FILE))
    return key


def find_key(workspace: Folder, key_file: str | None, block_secret: str | None = None) -> BucketKey:
    """The key that `load_key` would give, made by an earlier call of it at the latest.

    Raises ConfigurationError when there is none, too: a machine that lacks the key of a run must not make another.
    """
    key = known_key(workspace, key_file, block_secret)
    if key is None:
        problem = f"{socket.gethostname()} has no secret key: no {VARIABLE}, no key file, none in {workspace.url}"
        raise ConfigurationError(problem, f"give each machine of the run its key, in {VARIABLE} or a key file")
    return key


def known_key(workspace: Folder, key_file: str | None, block_secret: str | None) -> BucketKey | None:
    """The key that is there, made or given; None when none is yet. Raises ConfigurationError as `load_key` does."""
    if VARIABLE in os.environ:
        return _checked(os.environ[VARIABLE], f"the variable {VARIABLE}")
    if key_file is not None:
        try:
            return _checked(Path(key_file).expanduser().read_text(), key_file)
        except (OSError, RuntimeError, ValueError) as error:
            raise ConfigurationError(f"key file {key_file} can't be read: {error}", "give a text file") from error
    if block_secret is not None:
        return _checked(block_secret, "the Secret block")
    kept = workspace.read_optional(FILE)
    return None if kept is None else _checked(kept.decode(errors="replace"), workspace.object_url(FILE))


def _checked(text: str, where: str) -> BucketKey:
    text = text.strip()
    if len(text) < _SHORTEST:
        raise ConfigurationError(f"the key in {where} has fewer than {_SHORTEST} characters", "use a longer one")
    return BucketKey(text.encode())
