"""Where a bucket's secret key comes from: the environment, a file, a Secret block, or the workspace."""

import os
import secrets
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
    if kept is None:
        workspace.write(FILE, (secrets.token_hex(32) + "\n").encode(), private=True)
        kept = workspace.read(FILE)
    return _checked(kept.decode(errors="replace"), workspace.object_url(FILE))


def _checked(text: str, where: str) -> BucketKey:
    text = text.strip()
    if len(text) < _SHORTEST:
        raise ConfigurationError(f"the key in {where} has fewer than {_SHORTEST} characters", "use a longer one")
    return BucketKey(text.encode())
