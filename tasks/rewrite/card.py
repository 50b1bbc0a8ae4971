"""The dataset card: README.md of a destination."""

from infra.errors import one_line
from schemas.protect import ProtectedManifest

_TEMPLATE = """# Protected dataset ({split})

{samples} pictures in {shards} shards, {classes} classes. {protected} of them carry {form} {method} noise of at
most {epsilon}/255 a value (measured on the stored bytes: {largest}/255), made by {software}, so that a network
trained on them learns little about clean pictures.

**Do not re-encode the pictures.** They are stored as PNG, without loss. JPEG, WebP with loss, rescaling and
thumbnails take much of the noise off, and with it the protection.

What the noise is worth against a given victim is a matter of measurement: ask the owner for the evaluation report.

## Loading

```python
import glob
import webdataset as wds

shards = sorted(glob.glob("*.tar"))
dataset = wds.WebDataset(shards, shardshuffle=False).decode("rgb8").to_tuple("png", "{label}")
```

Every sample has the members of the original, byte for byte, except the picture. `manifest.json` gives the shards
with their sizes, hashes and counts, and the class names.

## Classes

{names}
"""


def card(manifest: ProtectedManifest) -> str:
    """Markdown for a destination's README.md; holds nothing that helps to take the noise off."""
    dataset, protection = manifest.dataset, manifest.protection
    field = (dataset.source.label_field or "cls").split(".")[0]
    return _TEMPLATE.format(
        split=dataset.source.split,
        samples=dataset.samples,
        shards=len(dataset.shards),
        classes=len(dataset.class_names),
        protected=protection.protected,
        form=protection.form,
        method=protection.method,
        epsilon=protection.epsilon,
        largest=protection.max_abs_change,
        software=protection.software,
        label=one_line(field),
        names="\n".join(f"- `{one_line(name).replace('`', '')}`" for name in dataset.class_names),
    )
