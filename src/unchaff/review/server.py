"""The page and what it asks for, on one port of this computer."""

import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePath
from typing import Any, TypeVar, get_args

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from unchaff.errors import ConfigError, RunFolderError, UnchaffError
from unchaff.report.words import visible
from unchaff.review import written
from unchaff.review.guard import Guard
from unchaff.review.session import Review
from unchaff.review.store import KINDS
from unchaff.review.suspects import Asked, Order, Split, State

HERE = ("127.0.0.1", "localhost", "::1")  # listening there, nobody outside is heard
MEDIA = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
SCRIPTS = ("card", "classes", "filters", "grid", "keys", "page", "status", "talk")
NAMES = ("style.css", "icon.svg", *(f"{name}.js" for name in SCRIPTS))
FILES = {"": "index.html", **{name: name for name in NAMES}}  # by path
PATIENCE = 2  # seconds that open connections are waited for at the end
WAITING = 64  # connections
AT_ONCE = 100  # samples that are described at once

Answer = dict[str, Any]
Word = TypeVar("Word", bound=str)


def app(review: Review, *, token: str, host: str = "127.0.0.1") -> ASGIApp:
    """Return the application; `host` is where it listens."""
    routes = [
        *(_file(path, name) for path, name in FILES.items()),
        _get("/about", lambda _query: review.about()),
        _get("/suspects", lambda query: review.asked_for(_asked(query))),
        _get("/samples", lambda query: review.samples(_rows(query))),
        _get("/changes", lambda query: review.changes(_whole(query, "since") or 0)),
        _get("/media", lambda query: review.media(_rows(query))),
        _post("/decide", lambda given: _decide(review, given)),
        _post("/undo", lambda given: review.undo(_text(given, "batch"))),
        *(_download(review, suffix) for suffix in written.SUFFIXES),
    ]
    names = {*map(_written, (*HERE, host)), *_own_names(host)}
    return Guard(Starlette(routes=routes), token=token, names=names, any_address=host not in HERE)


@dataclass(frozen=True)
class Serving:
    """A port that is taken already, so that its address is known before the first request."""

    listening: socket.socket
    host: str
    token: str

    @classmethod
    def on(cls, host: str, port: int) -> "Serving":
        """Take a port, 0: a free one.

        Raises:
            ConfigError: it is taken, or there is no such address here.
        """
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listening = socket.create_server((host, port), family=family, backlog=WAITING)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"Nothing can listen on {host}, port {port} ({error}). Leave --port out for a free one."
            ) from error
        return cls(listening, host, secrets.token_urlsafe())

    @property
    def url(self) -> str:
        """Where the page is."""
        name = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(self.host, self.host)  # noqa: S104
        return f"http://{_written(name)}:{self.listening.getsockname()[1]}/{self.token}/"

    def server(self, review: Review) -> uvicorn.Server:
        """Return what answers here, once it is run with this socket."""
        config = uvicorn.Config(
            app(review, token=self.token, host=self.host),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=PATIENCE,
        )
        return uvicorn.Server(config)

    @contextmanager
    def answering(self, review: Review) -> Iterator[Callable[[], None]]:
        """Yield what answers until Ctrl-C, which counts from now on and interrupts nothing half-way."""
        server = self.server(review)

        def end(_number: int, _frame: object) -> None:
            server.should_exit = True

        has_signals = threading.current_thread() is threading.main_thread()
        usual = signal.signal(signal.SIGINT, end) if has_signals else None
        try:
            yield lambda: server.run(sockets=[self.listening])
        finally:
            if has_signals:
                signal.signal(signal.SIGINT, signal.default_int_handler if usual is None else usual)
            self.listening.close()


def _written(host: str) -> str:
    """Return a host as it stands before a port: an address of version 6 in brackets."""
    return f"[{host}]" if ":" in host else host


def _own_names(host: str) -> tuple[str, ...]:
    return () if host in HERE else (socket.gethostname(), socket.getfqdn())


def _file(path: str, name: str) -> Route:
    def endpoint(_request: Request) -> Response:
        content = resources.files("unchaff.review").joinpath("page", name).read_bytes()
        return Response(content, media_type=MEDIA[PurePath(name).suffix])

    return Route(f"/{path}", endpoint, methods=["GET"])


def _get(path: str, answer: Callable[[Mapping[str, str]], Answer]) -> Route:
    def endpoint(request: Request) -> Response:
        return _said(lambda: answer(request.query_params))

    return Route(path, endpoint, methods=["GET"])


def _post(path: str, answer: Callable[[Mapping[str, Any]], Answer]) -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            given = await request.json()
        except (ValueError, RecursionError):
            given = None
        if not isinstance(given, dict):
            return JSONResponse({"error": "An answer is a JSON object."}, 400)
        return await run_in_threadpool(lambda: _said(lambda: answer(given)))

    return Route(path, endpoint, methods=["POST"])


def _download(review: Review, suffix: str) -> Route:
    def endpoint(_request: Request) -> Response:
        content = written.content(written.table(review.store, review.run), suffix)
        named = {"content-disposition": f'attachment; filename="decisions{suffix}"'}
        return Response(content, media_type="application/octet-stream", headers=named)

    return Route(f"/decisions{suffix}", endpoint, methods=["GET"])


def _said(answer: Callable[[], Answer]) -> Response:
    try:
        return JSONResponse(answer())
    except UnchaffError as error:
        status = 500 if isinstance(error, RunFolderError) else 400
        return JSONResponse({"error": visible(str(error))}, status)


def _asked(query: Mapping[str, str]) -> Asked:
    return Asked(
        given=_whole(query, "given"),
        suggested=_whole(query, "suggested"),
        low=_share(query, "low", 0.0),
        high=_share(query, "high", 1.0),
        split=_word(query, "split", get_args(Split), "rejected"),
        state=_word(query, "state", get_args(State), "all"),
        order=_word(query, "order", get_args(Order), "worst"),
        text=query.get("text", ""),
    )


def _decide(review: Review, given: Mapping[str, Any]) -> Answer:
    rows, label = given.get("rows"), given.get("label")
    if not isinstance(rows, list) or not all(type(row) is int for row in rows):
        raise ConfigError("rows must be a list of whole numbers.")
    if label is not None and type(label) is not int:
        raise ConfigError("label must be the number of a class.")
    return review.decide(_text(given, "batch"), rows, _word(given, "kind", KINDS, ""), label)


def _text(given: Mapping[str, Any], name: str) -> str:
    if not isinstance(given.get(name), str):
        raise ConfigError(f"{name} must be a text.")
    return str(given[name])


def _word(given: Mapping[str, Any], name: str, allowed: tuple[Word, ...], usual: str) -> Word:
    said = given.get(name, usual)
    found = next((word for word in allowed if word == said), None)
    if found is None:
        raise ConfigError(f"{name} must be one of {', '.join(allowed)}, got {said!r}.")
    return found


def _whole(query: Mapping[str, str], name: str) -> int | None:
    said = query.get(name, "")
    if said and not (said.isascii() and said.isdigit() and len(said) < 16):
        raise ConfigError(f"{name} must be a whole number, got {said!r}.")
    return int(said) if said else None


def _share(query: Mapping[str, str], name: str, usual: float) -> float:
    try:
        return float(query.get(name) or usual)
    except ValueError:
        raise ConfigError(f"{name} must be a number, got {query[name]!r}.") from None


def _rows(query: Mapping[str, str]) -> list[int]:
    parts = [part for part in query.get("rows", "").split(",") if part]
    if len(parts) > AT_ONCE or not all(
        part.isascii() and part.isdigit() and len(part) < 16 for part in parts
    ):
        raise ConfigError(f"rows must be at most {AT_ONCE} whole numbers with commas.")
    return [int(part) for part in parts]
