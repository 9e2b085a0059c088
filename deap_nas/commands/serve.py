"""``deap-nas serve``: runs in a browser, while they are searched."""

from __future__ import annotations

import argparse
import getpass
import socket
import threading
import webbrowser
from typing import TYPE_CHECKING

from deap_nas.files import user_path
from deap_nas.page import Address, serve
from deap_nas.page.access import new_token
from deap_nas.page.server import DEFAULT_HOST, DEFAULT_PORT

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_serve"]

_DESCRIPTION = """\
Show runs in a browser while they are searched: the page of deap-nas report, which lives. New rows arrive by themselves,
a run that is resumed goes on, and several files are shown side by side. Of a folder its runs are listed, each leads to
its page, and those that are ticked are shown side by side. Files are only read. It prints the address to be opened, and
how to open it from another machine. Ctrl-C ends it.
"""
_EPILOG = """\
By default only this machine can look, and whoever has an account on it; --token asks for a token there, too.
With --host others can look who know the token, over a connection that is not encrypted: prefer a tunnel by ssh.
"""


def add_serve(commands: _SubParsersAction[argparse.ArgumentParser], modules: argparse.ArgumentParser) -> None:
    """Add the subcommand; ``modules`` is the parent parser with ``--import``."""
    parser = commands.add_parser(
        "serve",
        parents=[modules],
        help="show runs in a browser while they are searched",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument(
        "files", type=user_path, nargs="+", metavar="FILE", help="population file; or one folder of such files"
    )
    parser.add_argument(
        "--port",
        type=int,
        metavar="N",
        help=f"at which to listen, 0 for any that is free (default: {DEFAULT_PORT}, or the next that is free)",
    )
    parser.add_argument(
        "--host",
        default=DEFAULT_HOST,
        metavar="NAME",
        help="name or address of this machine at which others reach it, 0.0.0.0 for all of them; the address to be "
        f"opened then holds a token (default: {DEFAULT_HOST}, this machine alone)",
    )
    parser.add_argument("--token", action="store_true", help="ask for a token on this machine, too")
    parser.add_argument("--open", action="store_true", help="open a browser")
    parser.set_defaults(run=_serve)


def _serve(options: argparse.Namespace) -> None:
    def announce(address: Address) -> None:
        print("\n".join(_in_lines(address, options.port)), flush=True)
        if options.open:
            threading.Thread(target=_open, args=(address.url,), daemon=True).start()

    token = new_token() if options.token else None
    serve(options.files, host=options.host, port=options.port, token=token, announce=announce)
    print("stopped")


def _in_lines(address: Address, port: int | None) -> list[str]:
    """The address, and how to open it from elsewhere."""
    lines = [f"open {address.url}"]
    if port is None and address.port != DEFAULT_PORT:
        lines.insert(0, f"port {DEFAULT_PORT} is in use, took {address.port}")
    if address.is_local:
        tunnel = f"ssh -N -L {address.port}:127.0.0.1:{address.port} {_user()}@{socket.gethostname()}"
        lines.append(f"from another machine, start there first: {tunnel}")
    return [*lines, "Ctrl-C ends it"]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # one without a name, as in some containers
        return "USER"


def _open(url: str) -> None:
    if not webbrowser.open(url):
        print("no browser was found here: open the address yourself", flush=True)
