"""A real browser without a window; what it says on its console, and what goes wrong in a page, fails a test."""

import os
import shutil
from pathlib import Path

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
#: Console lines that are no complaint; and what a page that lives may say when its server ends before it.
HARMLESS = ("[bokeh",)
GONE = ("net::ERR_CONNECTION", "net::ERR_EMPTY_RESPONSE", "net::ERR_ABORTED")


@pytest.fixture(scope="module")  # Playwright leaves an event loop running, which others must not find
def browser():
    """Chromium, driven by Playwright; without one tests are skipped, or fail where the environment says so."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        text = f"no browser: install one of {', '.join(PROGRAMS)}"
        if os.environ.get("DEAP_NAS_NEEDS_BROWSER"):
            pytest.fail(text)
        pytest.skip(text)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser):
    """Open a file or an address, wait until it is drawn, and give the page; complaints with ``expects`` are meant."""
    contexts, complaints = [], []

    def complain(text, words="", expected=None):
        is_harmless = words.startswith(HARMLESS) or any(sign in text for sign in GONE)
        if not is_harmless and (expected is None or expected not in text):
            complaints.append(text)

    def open_in(place, *, expects=None, **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda line: complain(f"{line.type}: {line.text}", line.text, expects))
        page.on("pageerror", lambda error: complain(str(error)))
        page.on("requestfailed", lambda request: complain(f"not loaded: {request.url}: {request.failure}"))
        page.goto(place.resolve().as_uri() if isinstance(place, Path) else place)
        page.wait_for_selector("html[data-ready=yes]", timeout=30_000)
        return page

    yield open_in
    found = list(complaints)  # a page that lives may be asking for something just when it is closed
    for context in contexts:
        context.close()
    assert found == []


@pytest.fixture
def keep_picture(request):
    """Keep a picture of a page as an artefact, where the environment names a folder for them."""
    folder = os.environ.get("DEAP_NAS_PICTURES")

    def keep(page, name, **options):
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=Path(folder, f"{name}.png"), **options)

    return keep
