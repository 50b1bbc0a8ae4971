"""What a protect run would do."""

from pydantic import Field

from schemas.base import Schema


class JobPlan(Schema):
    """A protect run, told before it is done; times come from a probe on the first pictures."""

    format: str = Field(description="How the source is laid out.")
    shards: int = Field(description="Shards of the source, or to be written.")
    samples: int = Field(description="Pictures in them.")
    exact: bool = Field(description="True when all shards were counted, False when estimated from the first.")
    bytes_in: int = Field(description="Bytes to be read.")
    bytes_out: int = Field(description="Bytes to be written to the destination, estimated.")
    index_seconds: float = Field(description="Time to check every picture.")
    fit_seconds: float = Field(description="Time of the fit, were it to take all its rounds.")
    fit_bytes: int = Field(description="Memory that the fit takes, an estimate from above.")
    free_bytes: int | None = Field(description="Memory that is free on the device; None: not known.")
    rewrite_seconds: float = Field(description="Time to rewrite every picture, with all workers.")
    done_shards: int = Field(description="Shards with a done-marker in the workspace.")
    device: str = Field(description="Kind of device that the fit would run on.")
