"""Networks that can make noise or be trained as a victim, by name."""

from typing import Literal

NetworkName = Literal["tiny", "resnet18"]
