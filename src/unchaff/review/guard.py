"""Who may talk to the page: whoever has its address, from this computer, and no other page of the browser."""

from collections.abc import Collection
from hmac import compare_digest
from ipaddress import ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST = 2**20  # bytes of a request
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "media-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
ALWAYS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Lets requests through whose path begins with the token, and refuses all others without a word."""

    def __init__(self, app: ASGIApp, *, token: str, names: Collection[str], any_address: bool) -> None:
        """Guard an application.

        Args:
            app: what is behind.
            token: first part of every path.
            names: what the `Host` of a request may be, port left out.
            any_address: it may also be any address in numbers, which no foreign name can stand for.
        """
        self._app = app
        self._token = token.encode()
        self._names = frozenset(names)
        self._any_address = any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        token, slash, rest = scope["path"].removeprefix("/").partition("/")
        is_known = compare_digest(token.encode(), self._token) and bool(slash)
        if not (is_known and self._is_ours(headers)):
            await _refuse(send, 403)
            return
        if scope["method"] == "POST" and (status := _status(headers)):
            await _refuse(send, status)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(ALWAYS)
            await send(message)

        await self._app({**scope, "path": f"/{rest}", "raw_path": f"/{rest}".encode()}, receive, answer)

    def _is_ours(self, headers: Headers) -> bool:
        """Whether the browser was sent here by this page, under a name of this computer."""
        host = headers.get("host", "")
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return False
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return False
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        return name in self._names or (self._any_address and _is_address(name))


def _status(headers: Headers) -> int:
    """Return with what a request that changes something is refused, 0 where it is not."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return 415
    length = headers.get("content-length", "")
    if not length.isdigit():
        return 411
    return 413 if int(length) > LARGEST else 0


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


async def _refuse(send: Send, status: int) -> None:
    headers = [
        (b"content-length", b"0"),
        *((name.encode(), value.encode()) for name, value in ALWAYS.items()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
