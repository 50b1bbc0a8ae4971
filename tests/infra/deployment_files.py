"""The deployment files of infra/, read for their tests."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
UID = 10001


def documents(file: Path) -> list[Any]:
    """All documents of a YAML or JSON file, anchors and merges resolved."""
    text = file.read_text()
    return [json.loads(text)] if file.suffix == ".json" else list(yaml.safe_load_all(text))


def files() -> list[Path]:
    """Every YAML and JSON file of infra/."""
    return sorted(file for kind in ("*.yaml", "*.json") for file in INFRA.rglob(kind))


def walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, at any depth."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield key, below
            yield from walk(below)
    elif isinstance(value, list):
        for below in value:
            yield from walk(below)


def example() -> dict[str, str]:
    """The variables of .env.example, also those that are commented out, with their values."""
    found = re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", (ROOT / ".env.example").read_text(), flags=re.MULTILINE)
    return dict(found)


def pods() -> dict[str, dict[str, Any]]:
    """Every pod template that runs the product, by where it stands: {"metadata":..., "spec":...}."""
    deployment = next(
        d for d in documents(INFRA / "kubernetes" / "worker.yaml") if d["kind"] == "Deployment"
    )  # the only one
    cluster = documents(INFRA / "kuberay" / "raycluster.yaml")[0]["spec"]
    pool = documents(INFRA / "kubernetes" / "work-pool.json")[0]
    return {
        "worker": deployment["spec"]["template"],
        "job": pool["job_configuration"]["job_manifest"]["spec"]["template"],
        "ray head": cluster["headGroupSpec"]["template"],
        **{f"ray {group['groupName']}": group["template"] for group in cluster["workerGroupSpecs"]},
    }


def environment(pod: dict[str, Any]) -> dict[str, Any]:
    """The variables of a pod's only container: a value, or where it comes from."""
    (container,) = pod["spec"]["containers"]
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}
