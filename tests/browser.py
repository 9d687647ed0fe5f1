"""Fixtures that serve the app and look at it in a real Chromium.

BRAINALIGN_BROWSER=required makes a missing Chromium a failure; else such tests are skipped with the reason.
Every page opened through `visit` also proves that nothing outside 127.0.0.1 was asked for.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from brainalign.bench.browser import ADDRESS_BAR

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    ADDRESS_BAR,
    "--disable-sync",
    "--no-first-run",
)
PATIENCE = 40_000  # milliseconds; a busy machine is no failure


def _without(reason):
    if os.environ.get("BRAINALIGN_BROWSER") == "required":
        pytest.fail(f"BRAINALIGN_BROWSER=required, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium():
    """One headless browser for the whole session."""
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        _without("no chromium was found on the PATH (Debian: apt-get install chromium)")
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError:
        _without("playwright is not installed (pip install -e '.[test]')")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield opened
        opened.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(store, log, **environment):
    """Start the app on a store directory; returns (process, address) once it answers."""
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), "--server.headless=true"]
    process = subprocess.Popen(
        [*command, f"--server.port={port}"],
        cwd=ROOT,
        env=os.environ | {"BRAINALIGN_STORE": str(store), "OMP_NUM_THREADS": "1"} | environment,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            if urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).read() == b"ok":
                return process, address
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.1)
    process.kill()
    raise RuntimeError(f"the app did not start; see {log.name}: {Path(log.name).read_text()[-2000:]}")


@pytest.fixture(scope="session")
def serve(tmp_path_factory):
    """serve(store, NAME=value ...) -> address of the app; one process for the same store and environment."""
    running = {}

    def serve(store, **environment):
        key = (str(store), *sorted(environment.items()))
        if key not in running:
            with open(tmp_path_factory.mktemp("app") / "log.txt", "w") as log:
                running[key] = start(store, log, **environment)
        return running[key][1]

    yield serve
    for process, _ in running.values():
        process.kill()
        process.wait()


def settled(page):
    """Wait until the current page stands there and its script has run to its end."""
    page.wait_for_selector('[data-test-connection-state="CONNECTED"][data-test-script-state="notRunning"] h1')
    return page


@pytest.fixture
def visit(chromium):
    """visit(address, width=1280, dark=False) -> settled Playwright page; fails on any request to elsewhere."""
    contexts, elsewhere = [], []

    def note(request):
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.hostname != "127.0.0.1":
            elsewhere.append(request.url)

    def visit(address, width=1280, height=900, dark=False):
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("request", note)
        page.goto(address)
        return settled(page)

    yield visit
    for context in contexts:
        context.close()
    assert not elsewhere, f"the app asked for {elsewhere}"
