"""What Prefect reads from the environment when it is imported. Import this before it; what a user has set stands."""

import os

# No word leaves the machine: Prefect reports its first import, and its server how it is used.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")

# Seconds that a run's own server may take to start: half a minute is not rare on a busy machine.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
