"""The reports of a workspace in a browser: a small server that answers on this machine alone."""

import contextlib
import socket
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Path, Query
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request

from infra.errors import ConfigurationError, UnlearnableError
from infra.media import media_type
from tasks.report import index
from tasks.report.compare import compare
from tasks.report.html import render_comparison, render_index

_HOST = "127.0.0.1"
_FILES = ("report.html", "report.md", "results.csv", "results.parquet")
Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Asked = Annotated[str, Query(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


def desk(workspace: str) -> FastAPI:
    """The index at `/`, the files of a report at `/NAME/FILE`, two side by side at `/compare?first=A&second=B`."""
    app = FastAPI(openapi_url=None)
    # A page elsewhere must not read private reports by a name of its own that leads to this machine.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[_HOST, "localhost"])

    @app.exception_handler(UnlearnableError)
    def tell(request: Request, error: UnlearnableError) -> Response:
        del request
        return JSONResponse({"error": str(error)}, status_code=404 if isinstance(error, ConfigurationError) else 500)

    @app.get("/", response_class=HTMLResponse)
    def show_index() -> str:
        return render_index(workspace, index.listed(workspace))

    @app.get("/compare", response_class=HTMLResponse)
    def show_two(first: Asked, second: Asked) -> str:
        found = index.listed(workspace)
        sides = [index.side_of(workspace, index.one_of(found, workspace, name).name) for name in (first, second)]
        return render_comparison(first, second, compare(*sides))

    @app.get("/{name}/{file}")
    def show_file(name: Name, file: str) -> Response:
        if file not in _FILES:
            raise ConfigurationError(f"reports have no {file}", f"ask for {', '.join(_FILES)}")
        report = index.one_of(index.listed(workspace), workspace, name)
        return Response(index.reports_of(workspace).child(report.name).read(file), media_type=media_type(file))

    return app


def serve(workspace: str, port: int) -> None:
    """Serve until Ctrl-C. Raises ConfigurationError when the port is taken; 0 takes any that is free."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((_HOST, port))
            listening.listen()  # who follows the address at once waits, and is not refused
        except OSError as error:
            problem = f"port {port} can't be listened on: {error.strerror}"
            raise ConfigurationError(problem, "give another with --port; 0 takes a free one") from error
        print(f"Reports of {workspace}: http://{_HOST}:{listening.getsockname()[1]}/  (Ctrl-C ends it)", flush=True)
        with contextlib.suppress(KeyboardInterrupt):  # how a person ends it, no error
            uvicorn.Server(uvicorn.Config(desk(workspace), log_level="warning")).run(sockets=[listening])
