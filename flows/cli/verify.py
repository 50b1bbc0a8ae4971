"""`unlearnable verify`."""

from typing import Annotated

import typer

from flows.cli import console, options
from flows.cli.job import source_fields
from schemas.dataset import SourceSpec
from schemas.verify import VerifyReport


def command(
    dest: Annotated[str, typer.Argument(metavar="DEST", help="Destination of a protect run.")],
    clean: Annotated[str, typer.Option(help="The source that it was made from.")],
    limit: options.Limit = None,
    format_: options.Format = None,
    label_field: options.LabelField = None,
    image_field: options.ImageField = None,
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Audit stored bytes against the source: budget, labels, keys, order, other members, counts, hashes."""
    del debug
    from infra.storage import Folder
    from tasks.rewrite.audit import audit

    fields = options.merge({}, source_fields(clean, None, limit, format_, label_field, image_field))
    with console.show_progress():
        found = audit(Folder(dest), options.build(SourceSpec, fields))
    report = VerifyReport(
        ok=not found.problems,
        samples=found.samples,
        max_abs_change=found.max_abs_change,
        max_l2=round(found.max_l2, 2),
        problems=found.all_problems(),
    )
    if json_:
        options.print_json(report.model_dump(mode="json"))
    else:
        _tell(report)
        if report.ok:
            options.print_next("evaluate", dest, "--clean", clean, "--test", "TEST", "--workspace", "WORKSPACE")
    if not report.ok:
        raise typer.Exit(1)


def _tell(report: VerifyReport) -> None:
    for problem in report.problems:
        print(problem)
    verdict = "ok" if report.ok else f"NOT ok: {len(report.problems)} problems"
    print(
        f"{verdict}: {report.samples} samples, largest change of a stored value {report.max_abs_change}/255, "
        f"of a picture {report.max_l2:.1f}/255 (L2)"
    )
