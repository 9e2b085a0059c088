"""Pseudo-terminals of any size."""

import fcntl
import os
import struct
import termios


def open_terminal(rows, columns):
    """Our end and the other end of a terminal."""
    ours, theirs = os.openpty()
    resize(theirs, rows, columns)
    return ours, theirs


def resize(terminal, rows, columns):
    """Make a terminal larger or smaller."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def read_all(terminal):
    """What was written to the other end, which is closed."""
    parts = []
    try:
        while part := os.read(terminal, 4096):
            parts.append(part)
    except OSError:  # Linux's way to say that the other end is closed and all is read
        pass
    os.close(terminal)
    return b"".join(parts).decode()
