"""`unlearnable protect`."""

from typing import Any

from flows.cli import console, options
from flows.cli.job import config_of, takes_a_job
from infra.errors import one_line
from schemas.noise import MinMin, NoiseMethod
from schemas.protect import ProtectConfig, ProtectSummary
from schemas.run import Stage


@takes_a_job
def command(
    fields: dict[str, Any],
    workspace: options.Workspace,
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Protect a dataset: add error-minimizing noise to every picture and publish the copy at DEST."""
    del debug
    built = config_of(options.merge(fields, {"workspace": workspace}))
    summary = run(built)
    if json_:
        options.print_json(summary.model_dump(mode="json"))
    else:
        tell(summary, built)


def run(config: ProtectConfig, redo: Stage | None = None) -> ProtectSummary:
    """The flow, with its progress shown."""
    from infra.devices import pick_device
    from tasks.rewrite.places import check_apart

    check_apart(config)  # these two before a server is started
    pick_device(config.device)
    from flows.protect import protect
    from infra.orchestration import start_server

    start_server()
    with console.show_progress():
        return protect(config, redo)


def tell(summary: ProtectSummary, config: ProtectConfig) -> None:
    """The closing lines of a protect run."""
    method = config.method
    done = f"{summary.protected} of {summary.samples} pictures protected in {summary.shards} shards"
    again = f", {summary.skipped_shards} done before" if summary.skipped_shards else ""
    print(f"{done}{again}, {summary.seconds:.1f} s: {summary.destination}")
    print(f"Largest change of a stored value: {summary.max_abs_change}/255. Quarantined: {summary.quarantined}.")
    for how, names in (("stay", summary.orphans_kept), ("were removed", summary.orphans_removed)):
        if names:
            print(f"No longer in the source: {one_line(', '.join(names))}. The protected copies {how}.")
    if summary.protected and not summary.max_abs_change:
        print("WARNING: no stored value has changed: the budget is so small that the noise rounds to nothing.")
    if not summary.converged:
        error = 100 * (summary.noise_error or 0)
        how = "diverged, and the best round before had" if summary.stopped == "diverged" else "ended with"
        print(f"WARNING: the fit {how} {error:.1f} % error, short of its target: expect weak protection.")
        print(f"{_advice(method, summary.stopped)} The report of an evaluation will say so too.")
    options.print_next("verify", summary.destination, "--clean", config.source.url)


def _advice(method: NoiseMethod, stopped: str) -> str:
    """What helps a fit that fell short of its target."""
    if stopped == "diverged":
        return "Give method.lr a smaller value in a --config file."
    if method.kind == "error-maximizing" and method.form == "sample-wise":
        # No rounds: every picture takes its own steps against a network that is trained already.
        return "Raise --epsilon, or method.steps in a --config file."
    joint = isinstance(method, MinMin) and method.procedure == "joint"  # it sees all pictures as it is
    return "Raise --max-rounds." if joint else "Raise --max-rounds, or --fit-samples."
