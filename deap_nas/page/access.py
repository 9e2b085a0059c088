"""Who may look at pages that are served: programs of this machine, or whoever knows a token.

A page of a stranger that is open in the same browser is kept out twice: what it asks under a name of its own that leads
to this machine (DNS rebinding) is told by the name of the host, and no answer may be read or embedded elsewhere.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from dataclasses import dataclass, field

__all__ = ["Access", "is_loopback", "new_token"]

#: Names by which a browser asks this machine itself, through a tunnel as well.
_OWN_NAMES = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class Access:
    """Says whether a question is answered."""

    #: Whether only this machine is served, so that the host which is asked must have a name of it.
    is_local: bool
    #: What a browser must know; empty for nothing.
    token: str = field(default="", repr=False)

    def knows_host(self, name: str) -> bool:
        """Whether the host is one to be asked, by its name without the port."""
        return not self.is_local or name.lower() in _OWN_NAMES

    def accepts(self, token: str | None) -> bool:
        """Whether a token is the right one, or none is needed; the time this takes tells nothing about it."""
        return not self.token or hmac.compare_digest((token or "").encode(errors="replace"), self.token.encode())


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is that of this machine for itself."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def new_token() -> str:
    """Draw a token that nobody can guess: 256 bits from the system."""
    return secrets.token_urlsafe(32)
