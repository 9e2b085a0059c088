"""The command that serves pages, as somebody at a terminal sees it."""

import getpass
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from deap_nas import cli
from deap_nas.page import access, server
from tests.launch import HEED_INTERRUPTS, ROOT, environment
from tests.page.runs import write_search
from tests.page.serving import served


@pytest.fixture
def path(tmp_path):
    return write_search(tmp_path / "run.h5", 6)


def start(*arguments, **variables):
    command = [*HEED_INTERRUPTS, sys.executable, "-m", "deap_nas.cli", "serve", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=environment() | variables, **pipes)


def end(process):
    """Ctrl-C; gives the exit status, what else was printed, and what was said of errors."""
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


def lines_of(process, n_lines):
    return [process.stdout.readline().rstrip("\n") for _ in range(n_lines)]


def test_it_prints_the_address_and_the_tunnel_and_ends_with_ctrl_c(path):
    process = start(path, "--port", 0)
    lines = lines_of(process, 3)
    port = int(re.fullmatch(r"open http://127\.0\.0\.1:(\d+)/", lines[0])[1])
    tunnel = f"ssh -N -L {port}:127.0.0.1:{port} {getpass.getuser()}@{socket.gethostname()}"
    assert lines[1:] == [f"from another machine, start there first: {tunnel}", "Ctrl-C ends it"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
        assert b"run.h5" in answer.read()
    assert end(process) == (0, "stopped\n", "")


def test_a_token_stands_in_the_address_and_nowhere_else(path):
    process = start(path, "--port", 0, "--token")
    lines = lines_of(process, 3)
    assert re.fullmatch(r"open http://127\.0\.0\.1:\d+/\?token=[\w-]{43}", lines[0])
    assert lines[1].startswith("from another machine")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(lines[0].removeprefix("open ").partition("?")[0] + "?token=wrong")
    assert end(process) == (0, "stopped\n", "")


def test_others_need_a_token_and_no_tunnel(path):
    process = start(path, "--port", 0, "--host", "0.0.0.0")
    first, second = lines_of(process, 2)
    assert re.fullmatch(rf"open http://{re.escape(socket.gethostname())}:\d+/\?token=[\w-]{{43}}", first)
    assert second == "Ctrl-C ends it"
    assert end(process)[0] == 0


def test_it_takes_the_next_port_and_says_so(path):
    with served(path, port=None) as asker:
        if asker.address.port != server.DEFAULT_PORT:
            pytest.skip(f"port {server.DEFAULT_PORT} is in use here")
        process = start(path)
        lines = lines_of(process, 2)
        port = int(re.fullmatch(r"open http://127\.0\.0\.1:(\d+)/", lines[1])[1])
        assert lines[0] == f"port {server.DEFAULT_PORT} is in use, took {port}"
        assert end(process)[0] == 0


def test_a_browser_is_opened(path, tmp_path):
    browser = tmp_path / "browser"
    browser.write_text(
        f'#!/bin/sh\necho "$1" > {tmp_path}/opened.partial\nmv {tmp_path}/opened.partial {tmp_path}/opened\n'
    )
    browser.chmod(0o755)
    process = start(path, "--port", 0, "--open", BROWSER=f"{browser} %s")
    (first,) = lines_of(process, 1)
    deadline = time.monotonic() + 10
    while not (tmp_path / "opened").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (tmp_path / "opened").read_text().strip() == first.removeprefix("open ")
    assert end(process)[0] == 0


def test_without_a_browser_it_says_so_and_goes_on(path, monkeypatch, capsys):
    from deap_nas.commands import serve

    monkeypatch.setattr(serve.webbrowser, "open", lambda url: False)
    serve._open("http://127.0.0.1:1/")
    assert capsys.readouterr().out == "no browser was found here: open the address yourself\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["away.h5"], "away.h5 is not there"),
        (["{path}", "."], "population files are served, or one folder of them"),
        (["{path}", "--port", "70000"], "the port must be 0 to 65535, found 70000"),
        (["{path}", "--host", "192.0.2.1"], "no server can listen at port"),
    ],
)
def test_an_error_is_one_line(path, capsys, arguments, words):
    assert cli.main(["serve", *(word.format(path=path) for word in arguments)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
    assert captured.err.count("\n") == 1


def test_a_port_in_use_that_was_asked_for_is_an_error(path, capsys):
    with served(path) as asker:
        assert cli.main(["serve", str(path), "--port", str(asker.address.port)]) == 1
    words = f"port {asker.address.port} is in use: choose another port, or 0 for any that is free"
    assert capsys.readouterr().err == f"deap-nas: {words}\n"


def test_a_missing_extra_is_one_line(path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tornado", None)
    assert cli.main(["serve", str(path)]) == 1
    assert "deap-nas[page]" in capsys.readouterr().err


def test_tokens_are_drawn_anew():
    assert access.new_token() != access.new_token()
