"""The server of pages that live, as a browser, a stranger and a damaged disk see it."""

import base64
import dataclasses
import gzip
import json
import os
import random
import re
import shutil
import socket
from contextlib import suppress
from http.cookies import SimpleCookie

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deap_nas import Genotype, mutEdge
from deap_nas.errors import MissingExtraError, SettingsError, StoreError
from deap_nas.evaluation import Job
from deap_nas.page import live_runs, serve
from deap_nas.page.access import Access, is_loopback
from deap_nas.page.live_runs import Known
from deap_nas.page.server import DEFAULT_PORT
from deap_nas.store import HDF5Store
from deap_nas.store.hdf5.lock import WriterLock
from tests.page.runs import SPACE, evaluation_of, write_search
from tests.page.serving import served

HOSTILE = "x<img src=x onerror=alert(1)>&\"'.h5"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
PATHS = ("/", "/page?run=0", "/news?run=0&known=", "/runs", "/genotypes?run=0", "/nowhere")


@pytest.fixture(autouse=True)
def reads_at_once(monkeypatch):
    """What has changed is read with the next question, whatever the last reading took."""
    monkeypatch.setattr(live_runs, "_SHARE_TO_READ", 1e9)
    monkeypatch.setattr(live_runs, "_SECONDS_TO_RETRY", 0.0)


def go_on(path, n_rows):
    """The run is resumed, and ends again."""
    rng = random.Random(1)
    with HDF5Store.resume(path) as store:
        genes = store.column("genes").tolist()
        for number in range(store.n_submitted, store.n_submitted + n_rows):
            genotype = Genotype(genes[-1])
            mutEdge(genotype, SPACE, rng=rng)
            store.submit([Job(number, genotype, 0, number - 1)], rng.getstate())
            n_objectives = len(store.weights)
            evaluation = evaluation_of(number, number - 1, rng, failures={}, n_objectives=n_objectives, host="node1")
            store.append(genotype, evaluation)
            store.kill([number - 16])


def array(packed):
    kinds = {"Uint8Array": "u1", "Int32Array": "<i4", "Float32Array": "<f4", "Float64Array": "<f8"}
    return np.frombuffer(base64.b64decode(packed["data"]), kinds[packed["array"]])


def content_of(page):
    return json.loads(gzip.decompress(base64.b64decode(page)))


@pytest.fixture
def path(tmp_path):
    return write_search(tmp_path / "run.h5")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where runs lie that nobody changes."""
    return tmp_path_factory.mktemp("still")


@pytest.fixture(scope="module")
def still(folder):
    """A server of a run that nobody changes."""
    with served(write_search(folder / "run.h5")) as asker:
        yield asker


@pytest.fixture(scope="module")
def private(folder):
    """One that asks for a token."""
    with served(write_search(folder / "private.h5", 4), token="secret") as asker:
        yield asker


# What a page gets


def test_a_page_holds_all_rows_and_no_genotypes_and_nothing_is_new_afterwards(path):
    with served(path) as asker:
        answer = asker.get()
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/html; charset=UTF-8"
        assert 'data-live="run=0"' in answer.text
        (run,) = content_of(asker.page())
        assert array(run["rows"]["id"]).tolist() == list(range(30))
        assert run["drawing"].startswith("<svg")
        assert "genotypes" not in run
        answer = asker.get("/news", run="0", known=run["known"])
        assert (answer.status, answer.text) == (204, "")


@pytest.mark.parametrize(
    "known", ["", "nonsense", "1.2.3", "....." * 100, "x." * 6, "a.-5.1.1.1.1.b", f"{'9' * 5000}.1.1.1.1.1.x"]
)
def test_who_knows_nothing_gets_all(still, known):
    assert still.news(known=known)["rows"]["first"] == 0


def test_of_a_run_that_goes_on_only_new_rows_come(path):
    with served(path) as asker:
        (run,) = content_of(asker.page())
        go_on(path, 3)
        news = asker.news(known=run["known"])
        rows = news["rows"]
        assert (rows["first"], rows["n"]) == (30, 33)
        assert array(rows["id"]).tolist() == [30, 31, 32]
        assert array(rows["fitness"][0]).shape == (3,)
        assert array(rows["alive"]).shape == array(rows["status"]).shape == (33,)
        assert array(rows["alive"])[:17].tolist() == [0] * 17
        assert news["head"]["n_evaluated"] == 33
        assert news["head"]["run"] == run["head"]["run"]
        assert news["problem"] == ""
        assert asker.news(known=news["known"]) is None


def test_two_browsers_get_what_each_of_them_lacks(path):
    with served(path) as asker:
        first = asker.news()["known"]
        go_on(path, 1)
        second = asker.news(known=first)["known"]
        go_on(path, 1)
        assert asker.news(known=second)["rows"]["first"] == 31
        assert asker.news(known=first)["rows"]["first"] == 30
        assert asker.news()["rows"]["first"] == 0


def test_a_writer_that_comes_and_goes_is_news_without_rows(path):
    with served(path) as asker:
        known = asker.news()["known"]
        with HDF5Store.resume(path):
            news = asker.news(known=known)
            assert news["head"]["is_running"] is True
            assert (news["rows"]["first"], news["rows"]["n"]) == (30, 30)
        news = asker.news(known=news["known"])
        assert news["head"]["is_running"] is False
        assert array(news["rows"]["id"]).shape == (0,)


def test_a_writer_that_is_killed_is_news_though_the_file_is_as_it_was(path):
    with served(path) as asker:
        known = asker.news()["known"]
        lock = WriterLock.acquire(path)
        news = asker.news(known=known)
        assert news["head"]["is_running"] is True
        lock.release()
        assert asker.news(known=news["known"])["head"]["is_running"] is False


def test_rows_come_while_the_writer_has_the_file_open(path):
    rng = random.Random(0)
    with served(path) as asker, HDF5Store.resume(path) as store:
        known = asker.news()["known"]
        genotype = Genotype(store.column("genes")[0].tolist())
        store.submit([Job(30, genotype, 0)], rng.getstate())
        store.append(genotype, evaluation_of(30, -1, rng, failures={}, n_objectives=1, host="a"))
        news = asker.news(known=known)
        assert array(news["rows"]["id"]).tolist() == [30]


def test_a_run_without_rows_has_a_page_and_fills(tmp_path):
    path = write_search(tmp_path / "run.h5", 0)
    with served(path) as asker:
        (run,) = content_of(asker.page())
        assert run["head"]["best"] is None
        path.unlink()
        write_search(path, 5)
        assert asker.news(known=run["known"])["rows"]["n"] == 5


def test_another_run_in_the_place_of_a_file_is_taken_anew(path):
    with served(path) as asker:
        first = asker.news()
        path.unlink()
        write_search(path, 40, seed=5)
        news = asker.news(known=first["known"])
        assert news["rows"]["first"] == 0
        assert array(news["rows"]["id"]).shape == (40,)
        assert news["head"]["run"] != first["head"]["run"]
        assert news["drawing"] != first["drawing"]
        assert news["gains"] != first["gains"]


def test_a_file_with_fewer_rows_of_the_same_run_is_taken_anew(path, tmp_path):
    shutil.copy(path, tmp_path / "before")
    go_on(path, 4)
    with served(path) as asker:
        known = asker.news()["known"]
        os.replace(tmp_path / "before", path)
        news = asker.news(known=known)
        assert (news["rows"]["first"], news["rows"]["n"]) == (0, 30)


def test_rows_that_are_no_longer_those_a_page_has_are_taken_anew(path):
    with served(path) as asker:
        known = Known.of(asker.news()["known"])
        go_on(path, 1)
        assert asker.news(known=str(known))["rows"]["first"] == 30
        assert asker.news(known=str(known._replace(checksum=1)))["rows"]["first"] == 0


def test_rows_are_taken_anew_when_a_long_evaluation_fills_a_pause_of_the_run(tmp_path):
    path, rng = tmp_path / "run.h5", random.Random(0)
    genotype = SPACE.sample(rng=rng)
    times = [(0, 10), (1000, 1010), (1010, 1020), (5, 1021)]
    with HDF5Store.create(path, space=SPACE, settings={}, seed=0) as store:
        for number, (started, finished) in enumerate(times):
            if number == 3:
                asker_knows = path.read_bytes()
            store.submit([Job(number, genotype, 0)], rng.getstate())
            one = evaluation_of(number, -1, rng, failures={}, n_objectives=1, host="a")
            store.append(genotype, dataclasses.replace(one, started=1e9 + started, finished=1e9 + finished))
    complete = path.read_bytes()
    path.write_bytes(asker_knows)
    with served(path) as asker:
        news = asker.news()
        assert array(news["rows"]["finished"]).tolist() == [10, 20, 30]
        path.write_bytes(complete)
        news = asker.news(known=news["known"])
        assert news["rows"]["first"] == 0
        assert array(news["rows"]["finished"]).tolist() == [10, 1010, 1020, 1021]


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda path: path.unlink(), "is not there"),
        (lambda path: path.write_bytes(b"nothing"), "is no population file"),
        (lambda path: path.write_bytes(path.read_bytes()[:3000]), "is damaged"),
    ],
    ids=["gone", "nonsense", "cut"],
)
def test_what_is_wrong_with_a_file_is_told_and_it_is_asked_for_again(path, break_it, words):
    sound = path.read_bytes()
    with served(path) as asker:
        before = asker.news()
        break_it(path)
        news = asker.news(known=before["known"])
        assert words in news["problem"]
        assert "\n" not in news["problem"]
        assert news["head"] == before["head"], "what was known stays"
        assert asker.news(known=news["known"]) is None, "told once"
        assert words in content_of(asker.page())[0]["problem"]
        path.write_bytes(sound)
        after = asker.news(known=news["known"])
        assert after["problem"] == ""
        assert after["rows"]["first"] == 30
        go_on(path, 1)
        assert asker.news(known=after["known"])["rows"]["n"] == 31


def test_a_page_waits_for_a_file_that_could_never_be_read(path, tmp_path):
    with served(path) as asker:
        asker.get()
    shutil.copy(path, tmp_path / "again.h5")
    with served(tmp_path) as asker:
        (tmp_path / "again.h5").write_bytes(b"<b>nothing")
        answer = asker.get("/page", run=["again.h5"])
        assert answer.status == 503
        assert 'role="status"' in answer.text
        assert "is no population file" in answer.text
        assert 'http-equiv="refresh"' in answer.text


def test_what_goes_wrong_in_a_file_of_a_stranger_is_one_line_and_the_others_are_served(
    path, tmp_path, monkeypatch, caplog
):
    good = write_search(tmp_path / "good.h5", 5)
    sound_head = live_runs.head_of

    def head_of(store, columns, **options):
        if store.path == path:
            raise KeyError("first line\nsecond <b>line")
        return sound_head(store, columns, **options)

    monkeypatch.setattr(live_runs, "head_of", head_of)
    with served(good, path) as asker:
        answer = asker.get()
        assert answer.status == 503
        assert "second &lt;b&gt;line" in answer.text
        assert "Traceback" not in answer.text
        news = asker.json("/news", run=["0", "1"], known=["", ""])["runs"]
        assert news[0]["rows"]["n"] == 5
        assert "is damaged: KeyError" in news[1]["problem"]
        assert "\n" not in news[1]["problem"]


def test_an_error_of_the_server_itself_tells_a_browser_nothing_of_it(path, monkeypatch, caplog):
    with served(path) as asker:
        monkeypatch.setattr(HDF5Store, "run_id", property(lambda store: 1 / 0))
        answer = asker.get("/genotypes", run="0", of="x", first="0", n="1")
        assert answer.status == 500
        assert "Error" not in answer.text
        assert "\n" not in answer.text
        assert "ZeroDivisionError" in caplog.text


def test_gains_and_drawing_come_only_when_they_have_changed(path, monkeypatch):
    drawn, learnt = [], []
    monkeypatch.setattr(live_runs, "drawing_of", lambda store, number: drawn.append(number) or f"<svg>{number}</svg>")
    sound_gains = live_runs.gains_of
    monkeypatch.setattr(live_runs, "gains_of", lambda *arguments: learnt.append(1) or sound_gains(*arguments))
    with served(path) as asker:
        news = asker.news()
        best = news["head"]["best"]["id"]
        assert drawn == [best]
        with HDF5Store.resume(path):
            news = asker.news(known=news["known"])
        assert not {"gains", "drawing"} & set(news)
        go_on(path, 1)
        news = asker.news(known=news["known"])
        assert news["head"]["best"]["id"] == 30
        assert news["drawing"] == "<svg>30</svg>"
        assert "gains" not in news
        assert (drawn, len(learnt)) == ([best, 30], 1)


def test_gains_are_learnt_in_the_end_though_nothing_more_comes(path, monkeypatch):
    monkeypatch.setattr(live_runs, "_SECONDS_BETWEEN_GAINS", 0.2)
    monkeypatch.setattr(live_runs, "_SHARE_FOR_GAINS", 1e9)
    with served(path) as asker:
        known = asker.news()["known"]
        go_on(path, 2)
        for _ in range(100):
            if (news := asker.news(known=known)) and "gains" in news:
                break
            known = news["known"] if news else known
        assert news["gains"]["n_sampled"] == 32
        assert asker.news(known=news["known"]) is None


def test_a_file_is_read_no_more_often_than_its_size_allows(path, monkeypatch):
    monkeypatch.setattr(live_runs, "_SHARE_TO_READ", 1e-6)
    with served(path) as asker:
        known = asker.news()["known"]
        go_on(path, 1)
        assert asker.news(known=known) is None
        assert asker.news()["rows"]["n"] == 30, "who has nothing need not wait"


def test_a_genotype_is_given_when_it_is_asked_for(path):
    with served(path) as asker:
        run = asker.news()["head"]["run"]
        found = asker.json("/genotypes", run="0", of=run, first=3, n=2)
        with HDF5Store.read(path) as store:
            assert found["genes"] == store.column("genes")[3:5].tolist()
        assert array(found["rows"]).tolist() == [3, 4]
        assert len(found["drawings"]) == 2
        assert array(asker.json("/genotypes", run="0", of=run, first=28, n=9)["rows"]).tolist() == [28, 29]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"first": "30"}, 503), ({"n": "0"}, 503), ({"n": "1001"}, 503), ({"of": "another"}, 503),
        ({"first": "-1"}, 400), ({"first": "x"}, 400), ({"first": "²"}, 400), ({"n": "9" * 50}, 400),
        ({"n": "1e3"}, 400), ({"run": "1"}, 404), ({"run": "../run.h5"}, 404),
    ],
)  # fmt: skip
def test_a_genotype_that_is_not_there_is_refused(still, change, status):
    fields = {"run": "0", "of": still.news()["head"]["run"], "first": "0", "n": "1"}
    answer = still.get("/genotypes", **(fields | change))
    assert answer.status == status
    assert "\n" not in answer.text


def test_several_files_are_shown_side_by_side_and_each_has_its_news(path, tmp_path):
    other = write_search(tmp_path / "other.h5", 7, seed=2)
    with served(path, other) as asker:
        runs = content_of(asker.page())
        assert [run["rows"]["n"] for run in runs] == [30, 7]
        go_on(other, 1)
        news = asker.json("/news", run=["0", "1"], known=[run["known"] for run in runs])["runs"]
        assert news[0] is None
        assert array(news[1]["rows"]["id"]).tolist() == [7]


@given(
    st.builds(Known, *[st.text("0123456789abcdef", max_size=32), *[st.integers()] * 5, st.text("0123456789abcdef-")])
)
def test_what_a_page_has_comes_back_as_it_was_told(known):
    assert Known.of(str(known)) == known


@given(st.text())
def test_no_text_of_a_page_is_an_error(text):
    assert isinstance(Known.of(text), Known)


# Who may ask


@pytest.mark.parametrize("path_asked", PATHS)
def test_all_answers_have_headers_that_keep_strangers_out(still, path_asked):
    answer = still.get(path_asked)
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert policy.endswith("frame-ancestors 'none'")
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "tornado" not in str(answer.headers).lower()


def test_the_policy_of_the_header_allows_what_that_of_the_page_allows(still):
    answer = still.get()
    (inner,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', answer.text)
    assert answer.headers["Content-Security-Policy"] == inner.replace("&#39;", "'") + "; frame-ancestors 'none'"
    assert "connect-src 'self'" in inner.replace("&#39;", "'")


@pytest.mark.parametrize("path_asked", PATHS)
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:5007", "127.0.0.1.evil.example", "", "localhost.evil", "0"]
)
def test_a_name_of_another_host_is_refused(still, path_asked, host):
    assert still.get(path_asked, headers={"Host": host}).status in (400, 403)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:5007"])
def test_names_of_this_machine_are_answered_at_any_port_of_a_tunnel(still, host):
    assert still.get("/runs", headers={"Host": host}).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("path_asked", ["/", "/news", "/genotypes", "/page"])
def test_nothing_can_be_sent(still, method, path_asked):
    assert still.get(path_asked, method=method).status == 405


def test_a_large_body_is_not_read(still):
    with suppress(ConnectionError):  # it was not read to its end
        assert still.get("/", method="POST", body=b"x" * 100_000).status == 400
    assert still.get("/runs").status == 200


@pytest.mark.parametrize("path_asked", PATHS)
def test_with_a_token_nothing_is_told_to_who_does_not_know_it(private, path_asked):
    for cookie in (None, "", "deap_nas=secret", f"deap_nas_{private.address.port}=wrong", "ä"):
        headers = {"Cookie": cookie.encode() if cookie else None}
        answer = private.get(path_asked, headers=headers)
        assert answer.status == 403
        assert "private.h5" not in answer.text
        assert "secret" not in answer.text


@pytest.mark.parametrize("token", ["wrong", "", "secre", "secrets", "sécret", "\x00", "SECRET"])
def test_a_wrong_token_is_refused(private, token):
    answer = private.get("/", token=token)
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers


def test_the_token_is_exchanged_for_a_cookie_that_scripts_and_other_sites_do_not_get(private):
    answer = private.get("/", token="secret")
    assert answer.status == 302
    assert answer.headers["Location"] == "./"
    (cookie,) = SimpleCookie(answer.headers["Set-Cookie"]).values()
    assert cookie.value == "secret"
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "Strict"
    headers = {"Cookie": f"{cookie.key}={cookie.value}"}
    assert private.get("/", headers=headers).status == 200
    assert private.get("/news", headers=headers, run="0", known="").status == 200
    assert private.get("/news", run="0", known="", token="secret").status == 403, "at the start only"
    assert private.get("/", token="secret", headers={"Host": "evil.example"}).status == 403


def test_where_others_can_ask_a_token_is_drawn_each_time(path):
    tokens = set()
    for _ in range(2):
        with served(path, host="0.0.0.0") as asker:
            assert len(asker.token) >= 40
            assert socket.gethostname() in asker.url
            assert not asker.address.is_local
            tokens.add(asker.token)
            assert asker.get("/").status == 403
            assert asker.get("/", token=asker.token, headers={"Host": "node17.example:5007"}).status == 302
            assert asker.token not in repr(asker.address)
    assert len(tokens) == 2


def test_on_this_machine_there_is_no_token_unless_one_is_given(still):
    assert still.url == f"http://127.0.0.1:{still.address.port}/"
    assert still.address.is_local


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("localhost", True), ("LocalHost", True), ("::1", True), ("[::1]", True),
     ("0.0.0.0", False), ("::", False), ("", False), ("10.0.0.1", False), ("node17", False), ("localhost.evil", False)],
)  # fmt: skip
def test_who_is_this_machine_alone(host, expected):
    assert is_loopback(host) == expected


@given(st.text(), st.text(min_size=1))
def test_only_the_token_itself_is_accepted(given_token, token):
    access = Access(is_local=True, token=token)
    assert access.accepts(token)
    assert access.accepts(given_token) == (given_token == token)
    assert not access.accepts(None)
    assert Access(is_local=True).accepts(None)


# A folder


def entries_of(asker):
    return {entry["run"]: entry for entry in asker.json("/runs")["entries"]}


def test_a_folder_lists_its_runs_the_newest_first(tmp_path):
    write_search(tmp_path / "b.h5", 12, settings={"evaluations": 20})
    write_search(tmp_path / "a.h5", 30)
    (tmp_path / "notes.txt").touch()
    (tmp_path / ".hidden.h5").touch()
    (tmp_path / "folder.h5").mkdir()
    (tmp_path / "broken.h5").write_bytes(b"nothing")
    os.utime(tmp_path / "broken.h5", (0, 0))
    with served(tmp_path) as asker:
        entries = asker.json("/runs")["entries"]
        assert [entry["run"] for entry in entries] == ["a.h5", "b.h5", "broken.h5"]
        with HDF5Store.read(tmp_path / "a.h5") as store:
            assert entries[0]["best"] == store.column("fitness")[:, 0].max()
        assert (entries[1]["n_evaluated"], entries[1]["n_total"], entries[1]["is_running"]) == (12, 20, False)
        assert "is no population file" in entries[2]["problem"]


def test_the_list_lives_and_says_nothing_when_nothing_is_new(tmp_path):
    write_search(tmp_path / "a.h5", 5)
    with served(tmp_path) as asker:
        known = asker.json("/runs")["known"]
        assert asker.get("/runs", known=known).status == 204
        write_search(tmp_path / "b.h5", 5)
        go_on(tmp_path / "a.h5", 1)
        news = asker.json("/runs", known=known)
        assert {entry["run"]: entry["n_evaluated"] for entry in news["entries"]} == {"a.h5": 6, "b.h5": 5}
        with HDF5Store.resume(tmp_path / "a.h5"):
            assert entries_of(asker)["a.h5"]["is_running"] is True
        (tmp_path / "b.h5").unlink()
        assert set(entries_of(asker)) == {"a.h5"}


def test_an_empty_folder_has_an_empty_list(tmp_path):
    with served(tmp_path) as asker:
        assert asker.json("/runs")["entries"] == []
        assert asker.get().status == 200
        assert asker.get("/page").status == 302
        assert asker.get("/news").status == 204


def test_runs_of_a_folder_are_shown_side_by_side(tmp_path):
    for number, name in enumerate(("a b.h5", "c&d.h5", "é+.h5")):
        write_search(tmp_path / name, 4 + number)
    with served(tmp_path) as asker:
        runs = content_of(asker.page("/page", run=["c&d.h5", "é+.h5", "a b.h5", "c&d.h5"]))
        assert [run["head"]["name"] for run in runs] == ["c&d.h5", "é+.h5", "a b.h5"]
        assert 'href="./"' in asker.get("/page", run="c&d.h5").text
        live = re.findall(r'data-live="([^"]*)"', asker.get("/page", run="c&d.h5").text)[0]
        assert live == "run=c%26d.h5"


@pytest.mark.parametrize(
    "name",
    ["../outside.h5", "/etc/passwd", "..", ".", "", "a.h5/../../outside.h5", "%2e%2e/outside.h5", "link.h5", "folder",
     "a.h5\x00", "A.H5", "..\\outside.h5", "sub/inner.h5"],
)  # fmt: skip
def test_nothing_but_what_the_list_shows_is_served(tmp_path, name):
    folder = tmp_path / "runs"
    (folder / "folder").mkdir(parents=True)
    (folder / "sub").mkdir()
    write_search(folder / "a.h5", 4)
    for place in (tmp_path / "outside.h5", folder / "sub" / "inner.h5"):
        shutil.copy(folder / "a.h5", place)
    (folder / "link.h5").symlink_to(tmp_path / "outside.h5")
    with served(folder) as asker:
        assert list(entries_of(asker)) == ["a.h5"]
        assert (
            asker.get("/page", run=name).status in (302, 404)
            if not name
            else asker.get("/page", run=name).status == 404
        )
        assert asker.get("/news", run=name, known="").status == 404
        assert asker.get("/genotypes", run=name, of="x", first=0, n=1).status == 404


@pytest.mark.parametrize(
    "path_asked", ["/../outside.h5", "/..%2foutside.h5", "//etc/passwd", "/static/page.css", "/a.h5"]
)
def test_no_path_leads_to_a_file(tmp_path, path_asked):
    write_search(tmp_path / "a.h5", 4)
    with served(tmp_path) as asker:
        assert asker.get(path_asked).status == 404


def test_a_link_that_takes_the_place_of_a_run_leads_nowhere(tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    path, outside = write_search(folder / "a.h5", 4), write_search(tmp_path / "outside.h5", 9)
    with served(folder) as asker:
        known = asker.news("a.h5")["known"]
        path.unlink()
        assert "is not there" in asker.news("a.h5", known)["problem"], "missing for a moment"
        path.symlink_to(outside)
        assert asker.get("/news", run="a.h5", known=known).status == 404
        path.unlink()
        (folder / "b.h5").write_bytes(outside.read_bytes())
        path.symlink_to(folder / "b.h5")
        assert asker.news("a.h5", known)["rows"]["n"] == 9, "it may lead to another run of the folder"


def test_names_of_strangers_are_words(tmp_path):
    write_search(tmp_path / HOSTILE, 4)
    (tmp_path / "</script><script>alert(1)</script>.h5".replace("/", "\N{DIVISION SLASH}")).write_bytes(b"x")
    for name in (b"line\nbreak.h5", b"\xff.h5", b"\x1b[31m.h5"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            file.write(b"x")
    with served(tmp_path) as asker:
        assert len(entries_of(asker)) == 2, "what cannot be printed is not shown"
        html = asker.get().text
        content = re.findall(r'id="content">(.*?)</script>', html, re.DOTALL)[0]
        assert "<" not in content
        assert HOSTILE in [entry["run"] for entry in json.loads(content)["entries"]]
        page = asker.get("/page", run=HOSTILE)
        assert page.status == 200
        assert "<img" not in re.sub(r"<script.*?</script>", "", page.text, flags=re.DOTALL)


def test_a_folder_that_is_away_for_a_moment_is_told(tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    with served(folder) as asker:
        folder.rename(tmp_path / "elsewhere")
        answer = asker.get("/runs")
        assert answer.status == 503
        assert "cannot be read: No such file or directory" in answer.text
        (tmp_path / "elsewhere").rename(folder)
        assert asker.get("/runs").status == 200


# What cannot be served


def test_what_is_served_must_be_there(tmp_path, path):
    (tmp_path / "nonsense.h5").write_bytes(b"x")
    for files, error, words in (
        ([tmp_path / "away.h5"], StoreError, "away.h5 is not there"),
        ([path, tmp_path / "nonsense.h5"], StoreError, "nonsense.h5 is no population file"),
        ([], SettingsError, "found none"),
        ([path, tmp_path], SettingsError, r"found the folder .* among 2"),
    ):
        with pytest.raises(error, match=words):
            serve(files, port=0)


@pytest.mark.parametrize("port", [-1, 65536, 10**9])
def test_a_port_has_its_range(path, port):
    with pytest.raises(SettingsError, match=f"must be 0 to 65535, found {port}"):
        serve([path], port=port)


def test_a_port_in_use_is_told_and_by_default_the_next_one_is_taken(path):
    with served(path) as asker, pytest.raises(SettingsError, match=f"port {asker.address.port} is in use"):
        serve([path], port=asker.address.port)
    with served(path, port=None) as first, served(path, port=None) as second:
        assert DEFAULT_PORT <= first.address.port < second.address.port < DEFAULT_PORT + 50
        assert second.get("/runs").status == 200


def test_a_host_that_is_none_of_this_machine_is_told(path):
    with pytest.raises(SettingsError, match=r"no server can listen at port 0 of 192\.0\.2\.1: "):
        serve([path], port=0, host="192.0.2.1")


def test_without_a_token_others_are_not_served(path):
    with pytest.raises(SettingsError, match=r"whoever reaches 0\.0\.0\.0 could look"):
        serve([path], port=0, host="0.0.0.0", token="")


@pytest.mark.parametrize("module", ["tornado", "bokeh", "jinja2"])
def test_a_missing_extra_is_named(path, monkeypatch, module):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"{module}.*deap-nas\[page\]"):
        serve([path], port=0)
