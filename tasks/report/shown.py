"""The report's tables as rows of Prefect's artifacts: the same text, so that no digit differs."""

from tasks.report.tables import Table


def rows(*tables: Table) -> list[dict[str, object]]:
    """A mapping a row, by the table's head; of several tables each row begins with the caption of its own."""
    told = [{"Table": table.caption} if len(tables) > 1 else {} for table in tables]
    return [
        {**first, **dict(zip(table.head, row, strict=True))}
        for first, table in zip(told, tables, strict=True)
        for row in table.rows
    ]
