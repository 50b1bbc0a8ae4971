"""The dataset card: README.md of a destination."""

from infra.errors import one_line
from schemas.card import Worth
from schemas.protect import ProtectedManifest, ProtectionRecord

_TEMPLATE = """# Protected dataset ({split})

{samples} pictures in {shards} shards, {classes} classes. {protected} of them carry {form} {method} noise
{bound},
made by {software}, so that a network trained on them learns little about clean pictures.
Digest of the stored pictures and labels: `{digest}`.
{remarks}
**Do not re-encode the pictures.** They are stored as PNG, without loss. JPEG, WebP with loss, rescaling and
thumbnails take much of the noise off, and with it the protection.

## What the protection is worth

{worth}

## Licence

{licence}

## Loading

With webdataset, as pictures of 0 to 255:

```python
import glob
import webdataset as wds

shards = sorted(glob.glob("*.tar"))
dataset = wds.WebDataset(shards, shardshuffle=False).decode("rgb8", only=["png", {label!r}]).to_tuple("png", {label!r})
```

`only` matters where you don't trust whoever made the originals: without it webdataset unpickles members called `pyd`,
`pkl` or `pickle`, and a pickle can run any program.

With torchvision's transforms, in batches for a network; the pictures have to be of one size, or to be cropped to one:

```python
import glob
import torch
import webdataset as wds
from torchvision.transforms import v2

transform = v2.Compose([v2.ToImage(), v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True)])
shards = sorted(glob.glob("*.tar"))
dataset = wds.WebDataset(shards, shardshuffle=len(shards)).shuffle(1000).decode("pilrgb", only=["png", {label!r}])
dataset = dataset.to_tuple("png", {label!r}).map_tuple(transform)
loader = torch.utils.data.DataLoader(dataset.batched(64), batch_size=None)
```

With Hugging Face's datasets, which reads every member by its extension: a `txt` that is no UTF-8 stops it.

```python
import glob
from datasets import load_dataset

dataset = load_dataset("webdataset", data_files=sorted(glob.glob("*.tar")), split="train")
```

Every sample has the members of the original, byte for byte, except the picture. `manifest.json` gives the shards
with their sizes, hashes and counts, and the class names.

## Classes

{names}
"""
_UNKNOWN = "What the noise is worth against a given victim is a matter of measurement: ask the owner for the report."
_NO_LICENCE = "None was found with the source: ask its owner before you use the pictures."
_JUDGEMENTS = {
    "holds": "the protection holds",
    "partly": "the protection holds in part",
    "undone": "the protection is undone",
    "unknown": "no clean ceiling was run beside it, so what is left of the protection is not known",
}


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
        worth=_UNKNOWN if manifest.worth is None else _worth(manifest.worth, protection.classes is not None),
        licence=_licence(manifest),
        software=protection.software,
        digest=dataset.digest,
        label=field,
        names="\n".join(f"- {_plain(name)}" for name in dataset.class_names),
    )


def _worth(worth: Worth, some: bool) -> str:
    """The worst case of an evaluation, in the words of its report: where `some` classes are protected, of these."""
    tried = f"the hardest of {worth.tried} trainings tried" if worth.tried > 1 else "the only training tried"
    ceiling = "" if worth.ceiling is None else f" (clean ceiling {worth.ceiling:.2f} %)"
    judgement = _JUDGEMENTS[worth.judgement].capitalize()
    return (
        f"**{judgement}**, as evaluated on {worth.created[:10]}. Under the countermeasure "
        f"{_plain(worth.countermeasure)}, {tried}, the network {_plain(worth.victim)} reaches {worth.reached:.2f} % on "
        f"clean test pictures{' of the protected classes' if some else ''}{ceiling}; guessing gives "
        f"{worth.chance:.2f} %. What was not tried is not known: "
        "other victims and countermeasures, those of tomorrow among them, may reach more."
    )


def _licence(manifest: ProtectedManifest) -> str:
    """What the source says of it; protection changes nothing of that."""
    stated, files = manifest.licence.stated, manifest.licence.files
    said = [f"The source states the licence {_plain(stated)}."] if stated else []
    if files:
        said.append(f"The source's licence lies beside this card: {', '.join(f'`{one.name}`' for one in files)}.")
    return " ".join(said) or _NO_LICENCE


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
