"""Which public class makes the noise for which private class."""

from typing import Literal

from pydantic import Field, model_validator

from schemas.base import Schema, Stored
from schemas.recipe import TinyRecipe


class Matching(Schema):
    """How private classes are matched with the classes of a public dataset, where no mapping file says so."""

    how: Literal["name", "visual", "context"] = Field(
        default="name",
        description="name: by their names. visual: by what they look like to a network. context: not at all; the "
        "noise is made on the covered private classes and the public ones together, as classes of one dataset.",
    )
    assignment: Literal["one-to-one", "many-to-one"] = Field(
        default="one-to-one",
        description="visual: each public class serves one private class at most, or as many as it is most like.",
    )
    backbone: str | None = Field(
        default=None,
        min_length=1,
        description="visual: a torchvision network whose pretrained weights are at hand; None: a small network is "
        "trained on the public data, and its mean prediction over a private class is taken.",
    )
    samples: int = Field(default=5000, ge=1, description="visual: pictures of each dataset that are looked at.")
    training: TinyRecipe = Field(default=TinyRecipe(), description="visual: how the small network is trained.")

    @model_validator(mode="after")
    def _backbones_look(self) -> "Matching":
        if self.backbone is not None and self.how != "visual":
            raise ValueError(f"a backbone is for visual matching, and {self.how!r} is asked for")
        return self


class ClassMatch(Schema):
    """One private class and the public class that makes its noise."""

    private: str
    public: str
    score: float | None = Field(default=None, description="Visual only: how like the two are, from 0 to 1.")
    runner_up: str | None = Field(default=None, description="Visual only: the public class most like it after that.")
    runner_up_score: float | None = Field(default=None, description="Visual only: how like that one is.")
    ambiguous: bool = Field(default=False, description="Visual only: another public class is about as like, or more.")


class Mapping(Stored):
    """Which public class makes the noise for which private class."""

    inputs: str = Field(description="Digest of both datasets' classes and of the way of matching.")
    how: Literal["identity", "name", "file", "visual", "context"] = Field(description="How the classes were matched.")
    embedder: str | None = Field(default=None, description="Visual only: the network whose view of them was taken.")
    matches: tuple[ClassMatch, ...] = Field(
        description="One match a private class, in the order of its classes; where public classes make the noise, "
        "only classes that are to be protected."
    )

    def public_indices(self, public_names: tuple[str, ...]) -> dict[str, int]:
        """Index into `public_names` by the name of each private class that is matched."""
        return {match.private: public_names.index(match.public) for match in self.matches}
