"""The dataset card: README.md of a destination."""

from infra.errors import one_line
from schemas.protect import ProtectedManifest, ProtectionRecord

_TEMPLATE = """# Protected dataset ({split})

{samples} pictures in {shards} shards, {classes} classes. {protected} of them carry {form} {method} noise
{bound},
made by {software}, so that a network trained on them learns little about clean pictures.
{remarks}
**Do not re-encode the pictures.** They are stored as PNG, without loss. JPEG, WebP with loss, rescaling and
thumbnails take much of the noise off, and with it the protection.

What the noise is worth against a given victim is a matter of measurement: ask the owner for the evaluation report.

## Loading

```python
import glob
import webdataset as wds

shards = sorted(glob.glob("*.tar"))
dataset = wds.WebDataset(shards, shardshuffle=False).decode("rgb8", only=["png", {label!r}]).to_tuple("png", {label!r})
```

`only` matters where you don't trust whoever made the originals: without it webdataset unpickles members called `pyd`,
`pkl` or `pickle`, and a pickle can run any program.

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
        bound=_bound(protection),
        remarks="".join(f"\n{each}\n" for each in _remarks(manifest)),
        software=protection.software,
        label=field,
        names="\n".join(f"- {_plain(name)}" for name in dataset.class_names),
    )


def _bound(protection: ProtectionRecord) -> str:
    epsilon, largest = protection.epsilon, protection.max_abs_change
    if protection.norm == "l2":
        return f"of an L2 norm of at most {epsilon}/255 a picture (largest change of a stored value: {largest}/255)"
    return f"of at most {epsilon}/255 a value (measured on the stored bytes: {largest}/255)"


def _remarks(manifest: ProtectedManifest) -> list[str]:
    protection, outdated = manifest.protection, ", ".join(map(_plain, manifest.outdated))
    remarks = [f"Variant of the noise: {_plain(protection.variant)}."] if protection.variant else []
    if protection.converged is False:
        remarks.append("**Warning: the fit of this noise did not converge. Expect weak protection.**")
    if outdated:
        remarks.append(f"Made by earlier settings, so that the above is not said of them: {outdated}.")
    return remarks


def _plain(text: str) -> str:
    """Text from outside as a span of code, so that it can be neither a heading nor a link."""
    return f"`{one_line(text).replace('`', '')}`"
