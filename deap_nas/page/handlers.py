"""Answers of the server of pages that live, over HTTP; imported when a server starts, since it needs tornado."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from tornado.web import Application, RequestHandler

from deap_nas.errors import NASError
from deap_nas.page.access import Access
from deap_nas.page.document import list_policy, page_policy
from deap_nas.page.served_runs import NotServedError, ServedRuns

__all__ = ["application"]

_log = logging.getLogger(__name__)

#: Calls a function that reads files, in the thread for that.
_Reader = Callable[..., Awaitable[Any]]
_NO_FRAMES = "frame-ancestors 'none'"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; {_NO_FRAMES}",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def application(served: ServedRuns, access: Access, read: _Reader, *, cookie: str) -> Application:
    """Make what answers.

    Args:
        served: the runs.
        access: who may ask.
        read: calls one of its methods, given with its arguments, in a thread of its own.
        cookie: name of the cookie by which a browser shows that it knows the token.
    """
    fields = {"served": served, "access": access, "read": read, "cookie": cookie}
    kinds = {r"/": _Start, r"/page": _Page, r"/news": _News, r"/runs": _Runs, r"/genotypes": _Genotypes}
    return Application(
        [(pattern, kind, fields) for pattern, kind in kinds.items()],
        default_handler_class=_Nowhere,
        default_handler_args=fields,
        compress_response=True,
        log_function=_note_nothing,
    )


def _note_nothing(_: RequestHandler) -> None:
    """Nobody reads who asked for what."""


class _Handler(RequestHandler):
    """Checks who asks, and says in one line what went wrong."""

    def initialize(self, served: ServedRuns, access: Access, read: _Reader, cookie: str) -> None:
        self.served = served
        self.access = access
        self.read = read
        self.cookie = cookie

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in _HEADERS.items():
            self.set_header(name, value)

    def compute_etag(self) -> None:
        """None: nothing is kept by the browser."""

    def prepare(self) -> None:
        if not self.access.knows_host(self.request.host_name):
            self.refuse(403, "this server answers to localhost and 127.0.0.1 only; open one of these, through a tunnel")
        elif not self.access.accepts(self.get_cookie(self.cookie)):
            self.refuse(403, "open the address with the token, as deap-nas serve has printed it")

    def refuse(self, status: int, text: str) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Content-Security-Policy", _HEADERS["Content-Security-Policy"])
        self.finish(text.encode(errors="replace"))

    def write_error(self, status_code: int, **_: Any) -> None:
        self.refuse(status_code, f"this question has no answer ({status_code})")

    def log_exception(self, *_: Any) -> None:
        """Say nothing: what strangers ask is no news, and what goes wrong with a file is told where it is read."""

    async def tell(self, make: Callable[..., str | None], *arguments: Any) -> None:
        """Answer with the JSON that a method of the runs makes; without content where it is None."""
        text = await self.made(make, *arguments)
        if self._finished:
            return
        if text is None:
            self.set_status(204)
            return
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.write(text)

    def show(self, html: str, policy: str) -> None:
        """Answer with a document."""
        self.set_header("Content-Security-Policy", f"{policy}; {_NO_FRAMES}")
        self.write(html.encode(errors="replace"))

    async def made(self, make: Callable[..., Any], *arguments: Any) -> Any:
        """What a method of the runs makes; None after a refusal."""
        try:
            return await self.read(make, *arguments)
        except NotServedError:
            self.refuse(404, "there is no such run")
        except (NASError, OSError) as error:
            self.refuse(503, " ".join(str(error).split()))
        except Exception as error:  # a stranger's file may hold anything, and others are to be served
            _log.warning("a page could not be made: %s", " ".join(repr(error).split()))
            self.refuse(500, "this cannot be shown; the terminal of deap-nas serve says why")
        return None

    async def show_page(self, names: list[str]) -> None:
        found = await self.made(self.served.document, names)
        if found is not None:
            html, is_shown = found
            self.set_status(200 if is_shown else 503)
            self.show(html, page_policy(is_live=True))


class _Start(_Handler):
    """All files side by side, or the list of a folder; here a token is exchanged for a cookie."""

    def prepare(self) -> None:
        token = self.get_query_argument("token", "")
        if self.access.token and self.access.knows_host(self.request.host_name) and self.access.accepts(token):
            self.set_cookie(self.cookie, token, httponly=True, samesite="Strict")
            self.redirect("./")
            return
        super().prepare()

    async def get(self) -> None:
        if not self.served.has_list:
            await self.show_page([])
            return
        html = await self.made(self.served.list_document)
        if html is not None:
            self.show(html, list_policy())


class _Page(_Handler):
    async def get(self) -> None:
        names = self.get_query_arguments("run", strip=False)
        if names:
            await self.show_page(names)
        else:
            self.redirect("./")


class _News(_Handler):
    async def get(self) -> None:
        names, known = (self.get_query_arguments(name, strip=False) for name in ("run", "known"))
        await self.tell(self.served.news, names, known)


class _Runs(_Handler):
    async def get(self) -> None:
        await self.tell(self.served.news_of_list, self.get_query_argument("known", ""))


class _Genotypes(_Handler):
    async def get(self) -> None:
        name, run = (self.get_query_argument(name, "", strip=False) for name in ("run", "of"))
        first, n_rows = (self.get_query_argument(name, "") for name in ("first", "n"))
        if not all(number.isascii() and number.isdigit() and len(number) < 10 for number in (first, n_rows)):
            self.refuse(400, "first and n must be numbers")
            return
        await self.tell(self.served.genotypes, name, run, int(first), int(n_rows))


class _Nowhere(_Handler):
    def get(self) -> None:
        self.refuse(404, "there is no such page")
