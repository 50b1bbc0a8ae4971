"""Audit of requirements.lock: what it pins too loosely, and what of it is known to be vulnerable.

    python .ci/audit.py [LOCK] [options for pip-audit]

First that each requirement is pinned by version and hash and none by an address, which needs no network. Then pip-audit
asks for advisories (PyPI's, unless options say otherwise). A place without these data looks to pip-audit like one
without advisories: it says "No known vulnerabilities" and ends with 0. So it is asked first for one that is there, and
when it does not find that, this says loudly that nothing was audited, and the hashes have to do.

Exit status: 0 nothing found, or no advisories to be had; 1 vulnerable packages, or a lock that is not one.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PINNED = re.compile(r"[A-Za-z0-9._-]+==\S+( ; .+?)?(\s+--hash=sha256:[0-9a-f]{64})+")
# An old release with published advisories; it is asked for, never installed.
KNOWN = "pillow==9.0.0"


def faults(lock: str) -> list[str]:
    """What makes the text of a lock no lock: requirements without a version or a hash, and addresses."""
    lines = lock.replace("\\\n", " ").splitlines()
    requirements = [line for line in lines if line.strip() and not line.startswith("#")]
    loose = [f"not pinned with hashes: {line.split()[0]}" for line in requirements if not PINNED.fullmatch(line)]
    addresses = [f"an address: {line.strip()}" for line in lines if "://" in line]
    return loose + addresses + ([] if requirements else ["it is empty"])


def findings(requirements: Path, *options: str) -> list[dict[str, Any]] | str:
    """What pip-audit says of each pinned package; where it says nothing, its last word on why."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(requirements), "--disable-pip", "--no-deps"]
    command += ["--format", "json", "--progress-spinner", "off", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    try:
        return json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "no answer")


def lacking(options: list[str]) -> str | None:
    """Why no advisories are to be had here; None when they are."""
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "known.txt"
        asked.write_text(f"{KNOWN}\n")
        found = findings(asked, *options)
    if isinstance(found, str):
        return found
    return None if any(package.get("vulns") for package in found) else f"{KNOWN}, which has advisories, shows none"


def audit(lock: Path, options: list[str]) -> int:
    """Print what was found; the exit status."""
    wrong = faults(lock.read_text())
    if wrong:
        print(f"{lock} is no lock: make it again with `make lock`", *wrong, sep="\n  ", file=sys.stderr)
        return 1
    print(f"{lock}: every requirement is pinned with hashes, and none by an address")
    why = lacking(options)
    if why is not None:
        print(f"!! NOT AUDITED: no advisories can be had here ({why}).", file=sys.stderr)
        print("!! Only the hashes were checked. Run `make audit` where PyPI's JSON API answers.", file=sys.stderr)
        return 0
    found = findings(lock, *options)
    if isinstance(found, str):
        print(f"!! AUDIT BROKEN OFF: {found}", file=sys.stderr)
        return 1
    return report(found)


def report(found: list[dict[str, Any]]) -> int:
    """Print each package with advisories, and each that could not be looked up; the exit status."""
    skipped = [f"{package['name']}: {package['skip_reason']}" for package in found if "skip_reason" in package]
    vulnerable = [package for package in found if package.get("vulns")]
    for package in vulnerable:
        for advisory in package["vulns"]:
            mended = ", ".join(advisory["fix_versions"]) or "no version yet"
            print(f"{package['name']} {package['version']}: {advisory['id']}, mended in {mended}", file=sys.stderr)
    if skipped:
        print(f"!! {len(skipped)} packages NOT AUDITED:", *skipped, sep="\n!!   ", file=sys.stderr)
    print(f"{len(found) - len(skipped)} packages audited, {len(vulnerable)} with known vulnerabilities")
    return 1 if vulnerable else 0


if __name__ == "__main__":
    given = sys.argv[1:]
    named = given and not given[0].startswith("-")
    sys.exit(audit(Path(given[0] if named else "requirements.lock"), given[1:] if named else given))
