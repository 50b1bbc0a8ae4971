"""On a Ray cluster of two nodes."""
import os
import pytest
from prefect import flow, task
from infra.runners import map_tasks

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

@task
def where(number: int) -> tuple:
    import ray, torch, time
    time.sleep(1)
    return number, os.getpid(), ray.get_runtime_context().get_node_id(), torch.get_num_threads(), dict(os.environ)

def test_it(nodes):
    @flow
    def job():
        return map_tasks(where, list(range(6)), 2, "numbers", nodes.runner)
    found = job().results
    for f in found: print(f[:4])
    print({k:v for k,v in found[0][4].items() if "PREFECT" in k or "RAY" in k or "OMP" in k})
    os.system("ss -ltnp | grep -v '127.0.0.1:'")
    os.system("ps aux | grep ray | grep -v grep | cut -c1-150")
