"""The commands of the pages that the scene does not run: where they are run, or why nothing here can.

Every key is a command as the pages write it. One that no page holds any more fails in test_commands.py, and so does a
place that has not the text that it is named for.
"""

DEPLOYED = "tests/faults/test_deployed.py"
EXTENDING = "tests/docs/test_extending.py"
_EVALUATE = "unlearnable evaluate ./protected --clean ./pictures --test ./test-pictures --workspace ./private"

# Command -> the file that runs it, and a text of that file by which it does.
ELSEWHERE = {
    "make demo": (".ci/run", "make demo ARGS="),
    "make test": (".ci/run", "for target in lint audit types contract test "),
    "UNLEARNABLE_FAULTS=faults.jsonl make test-faults test-s3 test-ray": (
        ".ci/run",
        "test-faults test-s3 test-ray; do",
    ),
    # infra/prefect/local.sh is what these two start.
    "make up": (DEPLOYED, 'local("up")'),
    "make down": (DEPLOYED, 'local("down")'),
    # They need a worker that is at work. There the API is asked for the run, and the retry is this command.
    "prefect deployment run protect-bucket/protect-bucket-nightly --watch": (
        DEPLOYED,
        'deployed.start("protect-bucket/protect-bucket-nightly"',
    ),
    "prefect flow-run retry ID": (DEPLOYED, '"flow-run", "retry", run'),
    # On a Ray cluster of two nodes of this machine, made by the same command with other numbers.
    "ray start --head --port 6379 --num-cpus 16 --disable-usage-stats": (
        "tests/cluster/conftest.py",
        '[_RAY, "start", "--block", "--disable-usage-stats"',
    ),
    "ray start --address 10.0.0.7:6379 --num-cpus 16": ("tests/cluster/conftest.py", '"--address=127.0.0.1:{port}"'),
    "unlearnable protect s3://pictures/train s3://pictures-protected/train --workspace s3://private/pictures "
    "--runner ray --runner-address 10.0.0.7:6379 --workers 64 --task-memory 2000000000": (
        "tests/cluster/test_ray.py",
        "def test_protect_gives_the_bytes_and_the_markers_of_threads(nodes",
    ),
    # Hours, and eight datasets. There `all` is told apart from what is named; each drawing is run in test_reproduce.py.
    "unlearnable reproduce all --scale small --data-folder /data/paper": (
        "tests/flows/paper/test_catalogue.py",
        "def test_of_all_what_is_left_is_run(",
    ),
    # In a copy of the tree that has the page's examples in it.
    "unlearnable protect ./pictures ./protected --workspace ./private --method linearly-separable": (
        EXTENDING,
        '("--method", METHOD',
    ),
    f"{_EVALUATE} --victims all-cnn": (EXTENDING, '"--victims", VICTIM'),
    f"{_EVALUATE} --countermeasures none,high-pass-2,high-pass-0.5": (
        EXTENDING,
        '"--countermeasures", f"none,{COUNTERMEASURE}"',
    ),
}

# Pages whose Python is not run as it stands, likewise.
PYTHON_ELSEWHERE = {"docs/extending.md": (EXTENDING, 'PAGE = ROOT / "docs" / "extending.md"')}

_DOCKER = "no Docker daemon; the image was built by buildah and the files are checked (infra/README.md, last table)"
_KUBERNETES = "no Kubernetes cluster; the files are held to Kubernetes' schemas (infra/README.md, last table)"
_COMPOSE = "docker compose --env-file .env -f infra/compose/compose.yaml"

# Command -> why nothing here can run it.
NOWHERE = {
    "docker build -f infra/docker/Dockerfile -t unlearnable:0.1.0 .": _DOCKER,
    "docker run --rm unlearnable:0.1.0 unlearnable --version": _DOCKER,
    "docker run --rm --gpus all --network host --env-file .env --read-only --tmpfs /tmp "
    "--tmpfs /home/unlearnable:uid=10001,gid=10001 "
    "unlearnable:0.1.0 unlearnable plan s3://pictures/train s3://pictures-protected/train": _DOCKER,
    'docker run --rm -e PREFECT_API_URL -e PREFECT_API_AUTH_STRING -v "$PWD/prefect.yaml:/app/prefect.yaml:ro" '
    "unlearnable:0.1.0 prefect --no-prompt deploy --all": _DOCKER,
    f"{_COMPOSE} up --build --detach --wait": _DOCKER,
    f"{_COMPOSE} exec worker prefect deployment run protect/protect-dataset --watch --params "
    '\'{"config": {"source": {"url": "s3://pictures/train"}, "workspace": "s3://private/train",\n'
    '    "destination": "s3://pictures-protected/train"}}\'': _DOCKER,
    f"{_COMPOSE} logs --follow worker": _DOCKER,
    f"{_COMPOSE} down": _DOCKER,
    "kubectl apply -f infra/kubernetes/namespace.yaml": _KUBERNETES,
    "kubectl apply -f infra/kubernetes/worker.yaml": _KUBERNETES,
    "kubectl -n unlearnable create secret generic unlearnable --from-env-file=secrets.env": _KUBERNETES,
    "kubectl -n unlearnable create configmap unlearnable-storage --from-file=storage.yaml "
    "--from-literal=UNLEARNABLE_STORAGE=/etc/unlearnable/storage.yaml": _KUBERNETES,
    "kubectl apply -f infra/kuberay/": _KUBERNETES,
    "kubectl -n unlearnable get raycluster unlearnable": _KUBERNETES,
}
