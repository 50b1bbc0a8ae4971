"""What Prefect reads from the environment when it is imported. Import this before it; what a user has set stands."""

import os

SETTINGS = {
    # No word leaves the machine: Prefect reports its first import, and its server how it is used; Ray its clusters.
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Seconds that a run's own server may take to start: half a minute is not rare on a busy machine.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
}

for _name, _value in SETTINGS.items():
    os.environ.setdefault(_name, _value)
