"""The noise stage as a table."""

from schemas.fitted import NoiseRecord


def rounds(record: NoiseRecord) -> list[dict[str, object]]:
    """A row a round of the fit; one row that says so where there was nothing to fit."""
    if not record.rounds:
        return [{"round": 0, "error, %": None, "loss, nats": None, "seconds": record.seconds, "kept": record.stopped}]
    return [
        {
            "round": each.round,
            "error, %": 100 * each.error,
            "loss, nats": each.loss,
            "seconds": each.seconds,
            "kept": record.stopped if each.round == record.kept_round else "",
        }
        for each in record.rounds
    ]
