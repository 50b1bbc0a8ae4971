"""`unlearnable`: the command line. Thin: it builds parameters and calls the flows that the deployments call.

Exit status: 0 done, 1 the job failed, 2 bad usage or configuration.
"""

import logging
import os
import signal
import sys
import traceback
from importlib.metadata import version
from typing import Annotated, Any

import typer

from flows.cli import (
    demo,
    evaluate,
    failed,
    inspect,
    plan,
    protect,
    protect_bucket,
    report,
    reproduce,
    rerun,
    status,
    verify,
)
from infra.errors import UnlearnableError, one_line
from infra.redaction import redact

_UsageError: Any = typer.BadParameter.__mro__[1]  # the base of all usage errors; typer does not export it
_INTERRUPTED = 130

app = typer.Typer(
    help="Protect image datasets against unauthorised training, and prove what the protection is worth.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("demo")(demo.command)
app.command("plan")(plan.command)
app.command("protect")(protect.command)
app.command("protect-bucket")(protect_bucket.command)
app.command("rerun")(rerun.command)
app.command("verify")(verify.command)
app.command("evaluate")(evaluate.command)
app.command("reproduce")(reproduce.command)
app.command("status")(status.command)
app.command("failed")(failed.command)
app.command("inspect")(inspect.command)
app.command("report")(report.command)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"unlearnable {version('unlearnable')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run a command; errors are one line on stderr, a traceback only with --debug."""
    debug = "--debug" in sys.argv
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does: in one line
    _quiet(debug)
    try:
        # Else typer would end the process itself: on a usage error in four lines, on Ctrl-C without a word.
        status = app(prog_name="unlearnable", standalone_mode=False)
        if status == _INTERRUPTED:
            raise KeyboardInterrupt
        sys.exit(status)
    except UnlearnableError as error:
        _fail(str(error), error.exit_status, debug)
    except _UsageError as error:
        _fail_usage(error, debug)
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted; run the same command again to go on from here", _INTERRUPTED, debug)
    except Exception as error:  # noqa: BLE001 - the last resort of a command line
        text = f"unexpected {type(error).__name__}: {error}; run it again with --debug to see where"
        _fail(text, 1, debug)


def _fail_usage(error: Any, debug: bool) -> None:
    if len(sys.argv) < 2:  # a bare `unlearnable`: the help, as it is
        error.show()
        sys.exit(error.exit_code)
    command = error.ctx.command_path if error.ctx else "unlearnable"
    _fail(f"{error.format_message().rstrip('.')}; see {command} --help", error.exit_code, debug)


def _fail(text: str, exit_status: int, debug: bool) -> None:
    if debug:
        print(redact(traceback.format_exc()), end="", file=sys.stderr)
    print(f"error: {one_line(redact(text))}", file=sys.stderr)
    sys.exit(exit_status)


def _quiet(debug: bool) -> None:
    """Keep Prefect's own lines off the console (a server still gets them), unless debugging or told otherwise."""
    if debug:
        return
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_INTERNAL_LEVEL", "ERROR")
    if "PREFECT_LOGGING_LEVEL" not in os.environ:
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    logging.getLogger("botocore").setLevel(logging.CRITICAL)
