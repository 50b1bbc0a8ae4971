"""Jobs in processes of their own, each with a Prefect of its own: its database, its server, its caches."""

import os
import subprocess
import sys
import tempfile

from benchmarks._bench import ROOT


def apart(module: str, *words: str) -> str:
    """Run `python -m benchmarks.MODULE WORDS...`; what it prints. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as home:
        environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
        environment |= {"PREFECT_HOME": home, "PREFECT_LOGGING_LEVEL": "ERROR"}
        whole = [sys.executable, "-m", f"benchmarks.{module}", *words]
        done = subprocess.run(whole, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout
