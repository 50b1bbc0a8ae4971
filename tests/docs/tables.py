"""What the pages' commands need to be run here: stand-ins for their places and sizes; and what is run elsewhere.

Every key is text of the pages. One that no page holds any more fails in test_commands.py.
"""

from schemas.protect import ProtectConfig

# Programs that the scene runs. A command of any other stands in ELSEWHERE or NOWHERE.
PROGRAMS = {"unlearnable", "python", "prefect", "export", "unset", "set", "source", ".", "cd", "cp", "mkdir"}

# Written in the pages -> run here: (page, or "" for all pages; text of a command; what takes its place). {...} is a
# place of the scene, below. They are tried in this order.
STAND_INS = [
    # Places. Buckets keep theirs: a server on the loopback address has them.
    ("docs/operating.md", "report WORKSPACE", "report ./private"),
    ("docs/operating.md", "SOURCE DEST", "s3://pictures/train s3://pictures-protected/train"),
    ("docs/operating.md", "--search jpeg", "--search tiny"),  # what so short a training never says
    ("docs/operating.md", "WORKSPACE", "s3://private/pictures"),
    ("docs/operating.md", "SHARD.tar", "{shard}"),
    ("docs/buckets.md", "WORKSPACE/datasets/NAME", "s3://private/pictures/datasets/pictures"),
    ("docs/buckets.md", "WORKSPACE", "s3://private/pictures"),
    ("docs/buckets.md", "SHARD ", "s3://pictures/train/000007.tar "),
    ("docs/buckets.md", "SCHEDULE_ID", "{schedule}"),
    ("docs/buckets.md", "http://127.0.0.1:4200/api", "{api}"),
    ("docs/scaling.md", "http://10.0.0.7:4200/api", "{api}"),
    ("docs/scaling.md", "dask_scheduler --port 8786", "dask_scheduler --host 127.0.0.1 --port {port} --no-dashboard"),
    ("docs/scaling.md", "tcp://10.0.0.7:8786", "tcp://127.0.0.1:{port} --host 127.0.0.1 --no-dashboard"),
    ("", "WORKSPACE", "./private"),
    ("", " SOURCE", " ./pictures"),
    ("", " DEST", " ./protected"),
    ("", " RUN", " {run}"),
    ("", " OTHER", " {other}"),
    ("", "--serve", "--serve --port 0"),
    ("", "--since 2026-11-01", "--since 2020-01-01"),  # whatever this machine's clock says
    # Sizes.
    ("docs/scaling.md", "--nworkers 16", "--nworkers 1"),
    ("", "--victims resnet18 --countermeasures", "--victims tiny --countermeasures"),
    ("docs/evaluating.md", "--victims resnet18,vgg11", "--victims tiny,screen"),
    (
        "",
        "reproduce table1 --datasets cifar10 --victims resnet18",
        "reproduce fig2 --datasets cifar10 --victims screen --scale small --data-folder ./paper",
    ),
]
# Behind a command, where these options win over those before them: the fewest rounds, epochs and seeds.
SHORT = {
    "plan": "--max-rounds 1",
    "protect": "--max-rounds 1",
    "protect-bucket": "--max-rounds 1",
    "evaluate": "--epochs 1 --seeds 1",
    "reproduce": "--seeds 1",
}
# In the configuration of docs/operating.md, which the scene has as job.yaml.
SHORT_JOB = ("max_rounds: 40", "max_rounds: 1")

# What a page takes for granted, made before its first command: these two reports of a copy, where it isn't in BEFORE.
COPIES = [
    "unlearnable protect ./pictures ./protected --workspace ./private",
    "unlearnable evaluate ./protected --clean ./pictures --test ./test-pictures --workspace ./private",
    "unlearnable evaluate ./protected --clean ./pictures --test ./test-pictures --workspace ./private --victims screen",
]
BEFORE = {
    "README.md": [],
    "docs/evaluating.md": [
        *COPIES[:1],
        "unlearnable protect ./pictures ./by-class --workspace ./private-class --method random --form class-wise",
        "unlearnable protect ./pictures ./by-sample --workspace ./private-sample --method random",
        "unlearnable protect ./faces ./protected-faces --workspace ./private-faces --method random",
    ],
}

# Commands that go on until they are ended, and what they say once they are at work.
LASTING = {
    "python -m distributed.cli.dask_scheduler": "Scheduler at:",
    "python -m distributed.cli.dask_worker": "Registered to:",
    "prefect worker start": "started!",
    "--serve": "(Ctrl-C ends it)",
}

# What a command has to print, and which files it leaves: text of the command -> words; globs.
WORDS = {
    "plan ./pictures": ["24 samples", "in all"],
    "protect ./pictures": ["24 of 24 pictures protected"],
    "protect s3://pictures/train s3://pictures-protected/train --workspace s3://private/pictures": [
        "pictures protected"
    ],
    "protect-bucket s3://pictures": ["pictures: 24 of 24 pictures protected in 8 shards"],
    "verify ./protected": ["ok: 24 samples"],
    "evaluate ": ["Report: ./private/reports/"],
    "reproduce --list": ["table1", "fig2"],
    "reproduce table1": ["Results: "],
    "status WORKSPACE": ["destination", "samples protected"],
    "rerun WORKSPACE": ["24 of 24 pictures protected in "],
    "report WORKSPACE RUN --open": ["report.html"],
    "inspect s3://pictures/train/000007.tar": ["000007"],
    "ProtectConfig.model_json_schema()": [f'"{name}"' for name in ProtectConfig.model_fields],
    "tests.faults.table": ["| all | 3 |"],
    "deploy --all": ["protect-dataset", "protect-bucket-nightly", "evaluate-weekly"],
    "schedule ls": ["0 3 * * *"],
    "gcl create": ["gpu-"],
}
FILES = {
    "protect ./pictures ./protected": [
        "protected/*.tar",
        "protected/README.md",
        "protected/manifest.json",
        "private/job.json",
        "private/noise/*/record.json",
        "private/rewrite/*.json",
    ],
    "--workspace ./private --victims resnet18": [
        *(f"private/reports/*/{name}" for name in ("report.html", "report.md", "results.parquet", "results.csv")),
        "private/evaluate/*.json",
    ],
    "--export ./for-review": ["for-review/report.html", "for-review/report.md", "for-review/results.csv"],
    "reproduce table1": ["reproduction/reproduced/*/table.md", "reproduction/reproduced/*/result.json"],
}
