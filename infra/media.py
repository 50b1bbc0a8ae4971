"""What a browser has to be told of a file, so that it shows it instead of saving it."""

_TYPES = {
    "html": "text/html; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
    "png": "image/png",
    "parquet": "application/vnd.apache.parquet",
}


def media_type(name: str) -> str | None:
    """The media type of a file by its ending; None where no browser need know."""
    return _TYPES.get(name.rpartition(".")[2])
