"""What a protect run would do."""

from pydantic import Field

from schemas.base import Schema


class JobPlan(Schema):
    """A protect run, told before it is done; times come from a probe on the first pictures.

    Bytes and times are of what is left to do: what is done already costs none.
    """

    format: str = Field(description="How the source is laid out.")
    shards: int = Field(description="Shards of the source, or to be written.")
    samples: int = Field(description="Pictures in them.")
    exact: bool = Field(description="True when all samples were counted, False when estimated from the first shard.")
    indexed_shards: int = Field(description="Shards that are indexed already, and will be skipped.")
    fit_done: bool = Field(description="True when the noise is fitted already, and is used as it is.")
    done_shards: int = Field(description="Shards that are rewritten already by these settings, and will be skipped.")
    bytes_in: int = Field(description="Bytes of pictures to be read: once to index them, once to rewrite them.")
    bytes_out: int = Field(description="Bytes to be written to the destination, estimated.")
    index_seconds: float = Field(description="Time to check the pictures that are not indexed yet.")
    fit_seconds: float = Field(description="Time of the fit, were it to take all its rounds; 0 when it is done.")
    fit_bytes: int = Field(description="Memory that the fit takes, an estimate from above; 0 when it is done.")
    free_bytes: int | None = Field(description="Memory that is free on the device; None: not known.")
    rewrite_seconds: float = Field(description="Time to rewrite the shards that are left, with all workers.")
    probed: int = Field(description="Pictures on which times and bytes were measured.")
    device: str = Field(description="Kind of device that the fit would run on.")

    @property
    def seconds(self) -> float:
        """Time of all that is left to do, at most."""
        return self.index_seconds + self.fit_seconds + self.rewrite_seconds
