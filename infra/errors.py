"""Errors that a user can act on: each names the thing and the mend, in one line."""

from infra.redaction import redact


class UnlearnableError(Exception):
    """Base of all errors that the product raises on purpose. `exit_status` is the command line's."""

    exit_status = 1

    def __init__(self, problem: str, mend: str):
        # What a library says of an address may repeat the credentials in it.
        self.problem, self.mend = redact(problem), redact(mend)
        super().__init__(one_line(f"{self.problem}; {self.mend}"))

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.problem, self.mend)


class ConfigurationError(UnlearnableError):
    """What was asked for can't be done as asked: nothing was started."""

    exit_status = 2


class DataError(UnlearnableError):
    """A dataset, a shard or a record is not what it should be."""


class RunError(UnlearnableError):
    """Another run stands in the way of this one."""


class StorageError(UnlearnableError):
    """A place could not be read or written. `transient` when trying again may help."""

    def __init__(self, problem: str, mend: str, transient: bool = False):
        super().__init__(problem, mend)
        self.transient = transient

    def __reduce__(self) -> tuple[type, tuple[str, str, bool]]:  # type: ignore[override]
        return type(self), (self.problem, self.mend, self.transient)


def one_line(text: str) -> str:
    """`text` on one line, control characters escaped, so that no name from a dataset can forge a log line."""
    flat = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in flat)
