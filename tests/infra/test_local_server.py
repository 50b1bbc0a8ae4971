"""infra/prefect/local.sh, as far as it comes without a Prefect server."""

import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.infra.deployment_files import INFRA


class Healthy(http.server.BaseHTTPRequestHandler):
    """Says that it is healthy, as a Prefect server of somebody else's would."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"true")

    def log_message(self, format, *args):
        pass


@pytest.fixture
def taken():
    """A port on which another server listens."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Healthy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_up_takes_no_server_of_somebody_else_for_its_own(taken, tmp_path: Path):
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    own = {"UNLEARNABLE_PORT": str(taken), "PREFECT_HOME": str(tmp_path / "home")}
    environment = {**plain, **own, "UNLEARNABLE_BIN": str(Path(sys.executable).parent)}
    command = [str(INFRA / "prefect" / "local.sh"), "up"]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    error = f"port {taken} is taken by another server: set UNLEARNABLE_PORT\n"
    assert (said.returncode, said.stdout, said.stderr) == (1, "", error)
    assert not (tmp_path / "home").exists()
