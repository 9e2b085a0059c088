"""``serve``: pages that live, for a browser on this machine, or for whoever knows a token."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from deap_nas.errors import SettingsError
from deap_nas.extras import check_installed
from deap_nas.files import user_path
from deap_nas.page.access import Access, is_loopback, new_token
from deap_nas.page.served_runs import ServedRuns

__all__ = ["DEFAULT_HOST", "DEFAULT_PORT", "Address", "listening", "serve"]

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 5007
#: Ports from the default one on that are tried, one after the other.
_N_PORTS = 50
_MODULES = ("tornado", "bokeh", "jinja2", "matplotlib")
#: Bytes of a question; nobody has anything to send.
_MOST_BYTES = 1024


@dataclass(frozen=True)
class Address:
    """Where a server listens."""

    #: To be opened in a browser; with the token, where there is one.
    url: str = field(repr=False)
    port: int
    #: Whether only programs of this machine reach it.
    is_local: bool


def serve(
    files: Sequence[str | os.PathLike[str]],
    *,
    host: str = DEFAULT_HOST,
    port: int | None = None,
    token: str | None = None,
    announce: Callable[[Address], None] | None = None,
) -> None:
    """Show runs in a browser while they are searched, until ``KeyboardInterrupt``.

    It is the page of :func:`write_page`, which lives: new rows arrive without a reload. A run that is resumed goes on,
    and where another run takes the place of a file, its page begins anew. A file that cannot be read for a moment is
    asked for again. Files are read, and never written.

    Args:
        files: population files, which are shown side by side; or one folder, of whose files a list is shown.
        host: name or address of this machine at which it listens; by default at none that others reach.
        port: 0 to 65535, 0 for any that is free; by default 5007, or the next one that is free.
        token: what a browser must know, in the address that it opens first; afterwards it has a cookie. By default
            there is none where only this machine can ask, and else one that is drawn by the system. ``""`` for none.
        announce: told the address when the server listens.

    Raises:
        SettingsError: there is no file, or a folder among several; the port is in use, not allowed or out of range; the
            host is none of this machine; or it can be reached by others, and the token is to be none.
        StoreError: a file cannot be read.
        MissingExtraError: tornado, Bokeh, matplotlib or h5py is not installed.
    """

    async def run() -> None:
        async with listening(files, host=host, port=port, token=token) as address:
            if announce is not None:
                announce(address)
            await asyncio.Event().wait()

    with suppress(KeyboardInterrupt):
        asyncio.run(run())


@asynccontextmanager
async def listening(
    files: Sequence[str | os.PathLike[str]], *, host: str, port: int | None, token: str | None
) -> AsyncIterator[Address]:
    """Listen within a block, which gets the address; arguments and errors are those of :func:`serve`."""
    for module in _MODULES:
        check_installed(module, extra="page")
    from tornado.httpserver import HTTPServer

    from deap_nas.page.handlers import application

    access = _access(host, token)
    served = ServedRuns(list(map(user_path, files)))
    served.check()
    listener = _bind(host, port)
    number: int = listener.getsockname()[1]
    reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="population-files")

    async def read(function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(reader, function, *arguments)

    answers = application(served, access, read, cookie=f"deap_nas_{number}")
    server = HTTPServer(answers, max_body_size=_MOST_BYTES, max_header_size=64 * _MOST_BYTES)
    server.add_socket(listener)
    if not served.has_list:
        reader.submit(served.document, ())  # what takes longest is done when the page is opened
    try:
        yield Address(_url(host, number, access.token), number, access.is_local)
    finally:
        server.stop()
        await server.close_all_connections()
        reader.shutdown(cancel_futures=True)


def _access(host: str, token: str | None) -> Access:
    is_local = is_loopback(host)
    if token is None:
        token = "" if is_local else new_token()
    if not token and not is_local:
        raise SettingsError(f"whoever reaches {host} could look: give a token, or listen at {DEFAULT_HOST}")
    return Access(is_local=is_local, token=token)


def _bind(host: str, port: int | None) -> socket.socket:
    """A socket that listens; without a port at the default one, or the next that is free."""
    if port is not None and not 0 <= port < 2**16:
        raise SettingsError(f"the port must be 0 to 65535, found {port}")
    ports = range(DEFAULT_PORT, DEFAULT_PORT + _N_PORTS) if port is None else (port,)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in ports:
        try:
            listener = socket.create_server((host.strip("[]"), number), family=family, backlog=128)
            listener.setblocking(False)
            return listener
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                reason = str(error.strerror).partition(" (")[0]
                raise SettingsError(f"no server can listen at port {number} of {host}: {reason}") from error
    taken = f"port {port} is" if port is not None else f"ports {ports[0]} to {ports[-1]} are"
    raise SettingsError(f"{taken} in use: choose another port, or 0 for any that is free")


def _url(host: str, port: int, token: str) -> str:
    name = socket.gethostname() if host in ("0.0.0.0", "::", "") else host
    name = f"[{name}]" if ":" in name and not name.startswith("[") else name
    return f"http://{name}:{port}/" + (f"?token={token}" if token else "")
