"""Servers of pages in a thread of the test, and questions to them as a browser asks them."""

import asyncio
import http.client
import json
import re
import threading
from contextlib import contextmanager
from urllib.parse import urlencode, urlsplit

from deap_nas.page.server import DEFAULT_HOST, listening


class Asker:
    """Asks one server; what it answers is kept with its headers."""

    def __init__(self, address):
        self.address = address
        self.url = address.url
        self.token = urlsplit(address.url).query.removeprefix("token=")

    def get(self, path="/", *, method="GET", body=None, headers=None, **fields):
        query = "&".join(urlencode([(name, value)]) for name, values in fields.items() for value in as_list(values))
        connection = http.client.HTTPConnection(DEFAULT_HOST, self.address.port, timeout=60)
        # as it is: a client that is up to no good makes no path safe
        connection.putrequest(method, path + (f"?{query}" if query else ""), skip_host=True, skip_accept_encoding=True)
        headers = {"Host": f"127.0.0.1:{self.address.port}"} | (headers or {})
        for name, value in headers.items():
            if value is not None:
                connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        answer.text = answer.read().decode()
        connection.close()
        return answer

    def json(self, path, **options):
        answer = self.get(path, **options)
        assert answer.status == 200, answer.text
        assert answer.headers["Content-Type"].startswith("application/json")
        return json.loads(answer.text)

    def news(self, run="0", known="nothing"):
        """What is new of one run; None for nothing."""
        answer = self.get("/news", run=run, known=known)
        assert answer.status in (200, 204), answer.text
        return json.loads(answer.text)["runs"][0] if answer.status == 200 else None

    def page(self, path="/", **fields):
        """A document's content of the runs, packed."""
        answer = self.get(path, **fields)
        assert answer.status == 200, answer.text
        return re.findall(r'id="content">([^<]*)</script>', answer.text)[0]


def as_list(values):
    return values if isinstance(values, list) else [values]


@contextmanager
def served(*files, host=DEFAULT_HOST, port=0, token=None):
    """A server of some files, for the block."""
    loop, stop, ready = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
    found = []

    async def run():
        try:
            async with listening(files, host=host, port=port, token=token) as address:
                found.append(address)
                ready.set()
                await stop.wait()
        except BaseException as error:
            found.append(error)
            ready.set()
            raise

    def work():
        try:
            loop.run_until_complete(run())
        except Exception as error:
            found.append(error)
        finally:
            loop.close()

    thread = threading.Thread(target=work)
    thread.start()
    ready.wait()
    try:
        if isinstance(found[0], BaseException):
            raise found[0]
        yield Asker(found[0])
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        thread.join()
