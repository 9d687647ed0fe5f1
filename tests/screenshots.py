"""Pictures of every view on the shipped store: `python tests/screenshots.py` makes those of the README.

    python tests/screenshots.py FOLDER [VIEW ...]     views whole, 1280 and 1920 pixels wide, light and dark
    python tests/screenshots.py expected              those that test_browser_screens.py compares with
    BRAINALIGN_STORE=... takes another store

Look at them: nothing may overlap, be cut off, or puzzle a newcomer.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from browser import ARGUMENTS, CHROMIUM, PATIENCE, ROOT, settled, start

from brainalign.tables import DATA

VIEWS = {
    "overview": "",
    "live": "live?answers=2&instruction=IC&instruction2=IU3",
    "flatmaps": "flatmaps?subject=subj01&model=llava-demo&instruction=IC&pooling=mean_generated",
    "difference": "flatmaps?subject=subj01&model=llava-demo&instruction=VQ2&difference=True&minus_instruction=CR",
    "winners": "flatmaps?quantity=winner&among=instructions",
    "grid": "flatmaps?subject=all&second=ceiling",
    "place": "flatmaps?instruction=VQ2&second=q&unit=820&region=V1&solid=True",
    "predicted": "live?instruction=VQ2&picture=110&predict=True",
    "rois": "rois?model=llava-demo",
    "marks": "rois?by=model&instruction=VQ2&reference=llava-demo-random",
    "layers": "layers?model=llava-demo&instruction=VQ2",
    "instructions": "layers?model=llava-demo&lines=instruction&roi=EBA",
    "variance": "variance?subject=subj01&model=llava-demo&a=IC&b=VQ2",
    "pairs": "variance?view=all&model=llava-demo&a=IC&roi=EBA",
    "rest": "variance?view=rest&model=llava-demo&roi=EBA",
    "three": "variance?view=three&model=llava-demo&roi=EBA",
    "areas": "layers?view=areas&model=llava-demo&instruction=VQ2",
    "states": "layers?view=states&model=llava-demo",
    "rsa": "rsa?model=llava-demo&instructions=IC,VQ2,CR,IU1",
    "pictures": "rsa?view=pictures&model=llava-demo&roi=EBA&map=VQ2",
    "depth": "rsa?view=depth&model=llava-demo&roi=EBA",
    "compare": "compare?model=llava-demo&instruction=VQ2",
    "specialisation": "compare?view=instructions&model=llava-demo",
    "studies": "compare?view=studies&model=llava-demo",
    "runs": "runs",
}
README = (
    "overview",
    "live",
    "flatmaps",
    "rois",
    "layers",
    "variance",
    "rsa",
    "pictures",
    "compare",
    "specialisation",
    "runs",
)
SCREENS = tuple(view for view in VIEWS if view not in ("place", "predicted"))
EXPECTED = ROOT / "tests" / "screens"


def ready(page, view, ask=True):
    """Wait until the view shows what it is for; ask : whether models answer, which takes each time another time."""
    settled(page)
    if view == "live" and not ask:
        page.get_by_test_id("stImage").first.wait_for()
    elif view == "live":
        page.get_by_role("button", name="Ask").click()
        page.get_by_role("button", name="Ask").wait_for()
        page.get_by_text("tokens in").first.wait_for()
    elif VIEWS[view].startswith("flatmaps") or view == "predicted":
        page.wait_for_selector("canvas.map[data-painted]")
    elif view == "studies":
        page.get_by_test_id("stTable").wait_for()
    elif view != "runs":
        page.wait_for_selector(".js-plotly-plot .main-svg")
    page.wait_for_timeout(1500)


def shoot(browser, address, view, path, width=1280, height=900, dark=False, whole=False, ask=True):
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{address}/{VIEWS[view]}")
    ready(page, view, ask)
    if whole:  # as high as what the page holds, since it scrolls within itself
        tall = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        page.set_viewport_size({"width": width, "height": max(height, tall + 20)})
        page.wait_for_timeout(1500)
    page.screenshot(path=path)
    context.close()


def expect(browser, address, view):
    """A view as it looks now, at half its size: more is not compared."""
    from PIL import Image

    with tempfile.NamedTemporaryFile(suffix=".png") as whole:
        shoot(browser, address, view, whole.name, ask=False)
        picture = Image.open(whole.name).convert("RGB")
        picture.resize((640, 450), Image.Resampling.BOX).save(EXPECTED / f"{view}.webp", quality=85)


def main(folder=None, *views):
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, CHROMIUM)))
    with tempfile.NamedTemporaryFile("w", suffix=".log") as log, sync_playwright() as driver:
        process, address = start(os.environ.get("BRAINALIGN_STORE", DATA / "store"), log)
        browser = driver.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        try:
            if folder is None:
                for view in README:
                    shoot(browser, address, view, ROOT / "docs" / "images" / f"{view}.png", height=1080)
                return
            if folder == "expected":
                EXPECTED.mkdir(exist_ok=True)
                for view in views or SCREENS:
                    expect(browser, address, view)
                return
            Path(folder).mkdir(parents=True, exist_ok=True)
            for view in views or VIEWS:
                for width, height in ((1280, 900), (1920, 1080)):
                    for dark in (False, True):
                        name = f"{view}-{width}-{'dark' if dark else 'light'}.png"
                        shoot(browser, address, view, Path(folder) / name, width, height, dark, True)
        finally:
            browser.close()
            process.kill()
            process.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
