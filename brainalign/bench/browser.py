"""A server of the app and a headless browser that tells when something new is painted.

Times are the page's own: from the key that picks to the frame after the one in which the new content stands there.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

ROOT = Path(__file__).resolve().parent.parent.parent
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Chromium's own address bar loads 400 files beside the first page of each new window; a reader's has them.
ADDRESS_BAR = "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup"
ARGUMENTS = (
    ADDRESS_BAR,
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-sync",
)
PATIENCE = 20_000  # milliseconds
MAP, TEXT = "canvas.map[data-painted]", "[data-testid=stText]"

# from the next key until the element's map, or where there is no element the page's text, is another
WATCH = """(element) => {
  const look = () => { const at = element ?? document.querySelector("[data-testid=stText]");
    return at?.dataset.painted ?? at?.textContent; };
  const before = look();
  let start = null;
  const begin = (event) => { if (event.isTrusted) start = performance.now(); };
  document.addEventListener("keydown", begin, { capture: true });
  globalThis.benchSeen = new Promise((resolve, reject) => {
    const end = (settle, value) => {
      document.removeEventListener("keydown", begin, { capture: true });
      settle(value);
    };
    const late = setTimeout(() => end(reject, new Error("nothing new was painted")), 20000);
    const each = () => {
      if (start === null || look() === before || look() === undefined) return requestAnimationFrame(each);
      clearTimeout(late);
      requestAnimationFrame(() => end(resolve, (globalThis.benchEnd = performance.now()) - start));
    };
    requestAnimationFrame(each);
  });
}"""


# the page's own time in the frame that paints such an element first, also one inside a component
FIRST = """(selector) => {
  const within = (root) => root.querySelector(selector) ||
    [...root.querySelectorAll("*")].some((element) => element.shadowRoot && within(element.shadowRoot));
  return within(document) && performance.now();
}"""


@contextmanager
def served(script, store=None):
    """(process, address, when it was started) of Streamlit running a script with the app's settings."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"BRAINALIGN_STORE": str(store)} if store else {}
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.headless=true"]
    with TemporaryFile("w+") as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            [*command, f"--server.port={port}"], cwd=ROOT, env=os.environ | settings, stdout=log, stderr=log
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_until_up(process, address, log)
            yield process, address, started
        finally:
            process.kill()
            process.wait()


def _wait_until_up(process, address, log, seconds=60):
    for _ in range(20 * seconds):
        try:
            if urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).read() == b"ok":
                return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
    log.seek(0)
    raise ValueError(f"the app did not start: {log.read()[-1000:].strip()}")


@contextmanager
def chromium():
    """A headless browser; ValueError where playwright or a browser is missing."""
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        raise ValueError("no Chromium was found on the PATH; install one (Debian: apt-get install chromium)")
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise ValueError("playwright is not installed; pip install 'playwright>=1.60'") from None
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield browser
        except Error as problem:
            raise ValueError(f"the browser stopped: {str(problem).splitlines()[0]}") from problem
        finally:
            browser.close()


@contextmanager
def visitor(browser):
    """A new reader with an empty cache."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)
    try:
        yield context
    finally:
        context.close()


def opened(context, address, selector):
    """(page, milliseconds from asking for it until the first such element stands there)."""
    page = context.new_page()
    return page, show(page, address, selector)


def show(page, address, selector):
    """Milliseconds from asking for an address until the first such element has been painted."""
    page.goto(address, wait_until="commit")
    return page.wait_for_function(FIRST, arg=selector, polling="raf").json_value()


def settle(page):
    """Wait until the page's script has run to its end."""
    page.wait_for_selector('[data-test-connection-state="CONNECTED"][data-test-script-state="notRunning"] h1')


def pressed(page, key, selector=MAP):
    """Milliseconds from a key until what the selector finds shows something new."""
    _watch(page, selector)
    page.keyboard.press(key)
    return page.evaluate("globalThis.benchSeen")


def _watch(page, selector):
    shown = page.locator(selector).first.element_handle() if selector == MAP else None
    page.evaluate(WATCH, shown)


def picked(page, label, key, selector=MAP):
    """Milliseconds until another option of a selectbox is painted: from the pick, and from opening the list.

    key : ArrowDown or ArrowUp, to the next option
    """
    box = page.get_by_role("combobox", name=label)
    box.evaluate("box => box.addEventListener('mousedown', () => { globalThis.benchOpened = performance.now(); })")
    box.click()
    page.get_by_role("option").first.wait_for()
    page.keyboard.press(key)
    milliseconds = pressed(page, "Enter", selector)
    return milliseconds, page.evaluate("globalThis.benchEnd - globalThis.benchOpened")


def options(page, label):
    """How many options a selectbox has."""
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option").first.wait_for()
    count = page.get_by_role("option").count()
    page.keyboard.press("Escape")
    return count


def chosen(page, label):
    """What a selectbox shows."""
    return page.get_by_role("combobox", name=label).input_value()


def downloaded(page, label):
    """Milliseconds from pressing a button to the whole file that it brings."""
    start = time.perf_counter()
    with page.expect_download() as download:
        page.get_by_role("button", name=label).click()
    download.value.path()
    return 1000 * (time.perf_counter() - start)


def sizes_heard(page):
    """A list to which the size of every message of the server is added; to be called before the page is opened."""
    sizes = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: sizes.append(len(frame))))
    return sizes


def has_loaded(process, library):
    """Whether a process has a library's files mapped; None where the system does not tell."""
    maps = Path(f"/proc/{process.pid}/maps")
    return library in maps.read_text() if maps.is_file() else None
