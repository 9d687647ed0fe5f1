"""How fast the app is for a reader, measured in a headless browser beside a bare selectbox in the same run.

The bare selectbox (app_page.py) shows the text of what was picked, on a server with the app's own settings: less than
that no Streamlit app takes on this machine, so what counts is the ratio. Measurements of both are interleaved.
"""

import time
from itertools import cycle, islice
from urllib.parse import urlencode

import numpy as np

from brainalign.bench import browser, visitors
from brainalign.store import open_latest
from brainalign.tables import DATA

SIZES = (77_000, 302_000)  # vertices
CHART = ".js-plotly-plot .main-svg"
FIRST = {  # what a page is opened for
    "overview": "h1",
    "live": "h1",
    "flatmaps": browser.MAP,
    "rois": CHART,
    "layers": CHART,
    "variance": CHART,
    "rsa": CHART,
    "compare": CHART,
    "runs": "h1",
}
GOALS = {
    "map, ratio to the bare selectbox": 1.3,
    "layer slider, ms": 50,
    "map of 302,000 vertices, MB": 0.7,
    "first chart on a warm server, ms": 2000,
    "process start to first page, ms": 4000,
    "180 mm PDF of a flatmap, ms": 1000,
    "20 visitors, ratio of p95": 3,
}


def app(store=None, repeats=10, crowd=20):
    """Everything that a reader waits for.

    store : a store's directory; the shipped one by default; repeats : of which the median and the 95th percentile are
    told; maps are switched twice as often, a page is opened half as often; crowd : visitors at once
    Returns a dict of plain numbers, in milliseconds unless the name says otherwise. `goals` has what is
    wanted and what was found. ValueError where there is no browser or no playwright.
    """
    store = DATA / "store" if store is None else store
    with (
        browser.chromium() as opened,
        browser.served(browser.ROOT / "brainalign/bench/app_page.py") as (_, bare, _),
        browser.served(browser.ROOT / "app.py", store) as (process, address, started),
    ):
        found = {"start": _start(opened, process, address, started)}
        query = _query(opened, address)
        found["switch"] = _switches(opened, address, bare, query, repeats)
        found["layer_slider"] = _slides(opened, address, query, repeats)
        found["export_pdf"] = _exports(opened, address, query, repeats)
        found["pages"] = _pages(opened, address, bare, _charted(store), max(2, repeats // 2))
        found["visitors"] = _crowd(address, query, crowd, repeats)
    return found | {"goals": against_goals(found), "repeats": repeats, "store": str(store)}


def summary(times):
    """Median and 95th percentile of some times, to a tenth."""
    if not len(times):
        raise ValueError("nothing was measured")
    return {"median": round(float(np.median(times)), 1), "p95": round(float(np.percentile(times, 95)), 1)}


def with_ratio(ours, bare):
    """The summary of our times, and their median over that of the bare selectbox measured in turn with them."""
    return summary(ours) | {"ratio": round(float(np.median(ours) / np.median(bare)), 2)}


def against_goals(found):
    """{goal: {"goal", "found", "reached"}}; where several were measured, `found` is the worst."""
    maps = [row["ratio"] for name, row in found["switch"].items() if name != "bare"]
    charts = [page["new_browser"]["median"] for name, page in found["pages"].items() if FIRST.get(name, "h1") != "h1"]
    values = (
        max(maps),
        found["layer_slider"]["median"],
        found["switch"][f"{SIZES[-1]}"]["bytes"] / 1e6,
        max(charts),
        found["start"]["first_page"],
        found["export_pdf"]["median"],
        found["visitors"]["ratio"],
    )
    return {
        name: {"goal": goal, "found": round(value, 2), "reached": bool(value <= goal)}
        for (name, goal), value in zip(GOALS.items(), values)
    }


def _start(opened, process, address, started):
    """From starting the process to the first page, and whether torch was loaded by then."""
    up = time.perf_counter() - started
    with browser.visitor(opened) as context:
        page, _ = browser.opened(context, address, "h1")
        first = time.perf_counter() - started
        browser.settle(page)
    loaded = browser.has_loaded(process, "libtorch")
    return {"answers": round(1000 * up, 1), "first_page": round(1000 * first, 1), "torch_imported": loaded}


def _query(opened, address):
    """The link of the map that the page of flatmaps shows by itself."""
    with browser.visitor(opened) as context:
        page, _ = browser.opened(context, f"{address}/flatmaps", browser.MAP)
        return urlencode({"subject": browser.chosen(page, "Subject"), "model": browser.chosen(page, "Model")})


def _switches(opened, address, bare, query, repeats):
    """A new map by the selectbox: the app's, one of more vertices alone, and the bare selectbox, in turn."""
    links = {"bare": (bare, browser.TEXT), "app": (f"{address}/flatmaps?{query}", browser.MAP)}
    links |= {str(n): (f"{bare}/?vertices={n}", browser.MAP) for n in SIZES}
    times, heard, pages = {name: [] for name in links}, {name: [] for name in links}, {}
    with browser.visitor(opened) as context:
        for name, (link, selector) in links.items():
            page = pages[name] = context.new_page()
            sizes = browser.sizes_heard(page)
            browser.show(page, link, selector)
            browser.settle(page)
            heard[name] = [sizes, []]
        count = browser.options(pages["app"], "Instruction")
        keys = cycle(["ArrowDown"] * (count - 1) + ["ArrowUp"] * (count - 1))
        for k, key in enumerate(islice(keys, 2 * repeats + 1)):
            for name, page in pages.items():
                page.bring_to_front()
                heard[name][0].clear()
                took = browser.picked(page, "Instruction", key if name == "app" else "ArrowDown", links[name][1])
                browser.settle(page)
                if k:  # the first is for whatever happens only once
                    times[name].append(took)
                    heard[name][1].append(sum(heard[name][0]))
    found = {}
    for name in links:
        picks, whole = zip(*times[name])
        bare_picks, bare_whole = zip(*times["bare"])
        found[name] = with_ratio(picks, bare_picks) | {
            "from_opening_the_list": with_ratio(whole, bare_whole),
            "bytes": int(np.median(heard[name][1])),
        }
    return found


def _slides(opened, address, query, repeats):
    """A step of the layer slider."""
    with browser.visitor(opened) as context:
        page, _ = browser.opened(context, f"{address}/flatmaps?{query}", browser.MAP)
        browser.settle(page)
        slider = page.get_by_role("slider", name="Layer")
        slider.focus()
        steps = int(slider.get_attribute("max"))
        page.keyboard.press("Home")
        page.wait_for_timeout(300)
        keys = cycle(["ArrowRight"] * steps + ["ArrowLeft"] * steps)
        return summary([browser.pressed(page, key) for key in islice(keys, 2 * repeats)])


def _exports(opened, address, query, repeats):
    """From pressing Download to the whole PDF, 180 mm wide."""
    with browser.visitor(opened) as context:
        page, _ = browser.opened(context, f"{address}/flatmaps?{query}", browser.MAP)
        browser.settle(page)
        page.get_by_role("button", name="Export").click()
        return summary([browser.downloaded(page, "Download") for _ in range(repeats + 1)][1:])


def _charted(store):
    """What each page is opened for, of the pages that the store has something for."""
    with open_latest(store) as results:
        return {name: at for name, at in FIRST.items() if name != "rsa" or len(results.rows("rsa_ceilings"))}


def _pages(opened, address, bare, pages, repeats):
    """Opening each page on a server that has shown it: with an empty browser, and again with the same browser."""
    links = {"bare": (bare, browser.TEXT), "bare chart": (f"{bare}/?chart=1", CHART)}
    links |= {name: (f"{address}/{name}", at) for name, at in pages.items()}
    times = {name: ([], []) for name in links}
    for k in range(repeats + 1):
        for name, (link, selector) in links.items():
            with browser.visitor(opened) as context:
                for found in times[name] if k else times[name][:1]:  # the first round warms the server
                    page, milliseconds = browser.opened(context, link, selector)
                    page.close()
                    found += [milliseconds] * (k > 0)
    bares = times["bare"]
    return {
        name: {"new_browser": with_ratio(new, bares[0]), "same_browser": with_ratio(again, bares[1])}
        for name, (new, again) in times.items()
    }


def _crowd(address, query, crowd, switches):
    """One visitor's new maps and those of many at once, at the pace of readers and all pressing at the same moment."""
    visitors.seconds_of(address, query, 1, switches, 0)
    one = summary([1000 * s for s in visitors.seconds_of(address, query, 1, 2 * switches, 0.1)])
    paced = summary([1000 * s for s in visitors.seconds_of(address, query, crowd, max(3, switches // 2))])
    burst = summary([1000 * s for s in visitors.seconds_of(address, query, crowd, 2, 0)])
    return {
        "visitors": crowd,
        "one": one,
        "each_3_s": paced,
        "same_moment": burst,
        "ratio": round(paced["p95"] / one["p95"], 2),
        "ratio_same_moment": round(burst["p95"] / one["p95"], 2),
    }


def as_text(found):
    """The result as a few lines to read."""

    def times(row):
        ratio = f", {row['ratio']:.2f} x bare" if "ratio" in row else ""
        return f"{row['median']:8.0f} ms, p95 {row['p95']:6.0f} ms{ratio}"

    lines = ["a new map, from the pick (app: the page of flatmaps; a number: so many vertices alone)"]
    lines += [f"  {name:10}{times(row)}, {row['bytes'] / 1e6:.3f} MB" for name, row in found["switch"].items()]
    lines += [f"layer slider{times(found['layer_slider'])}", f"PDF         {times(found['export_pdf'])}"]
    lines += ["first chart, or title, of a page on a warm server, with an empty browser"]
    lines += [f"  {name:10}{times(row['new_browser'])}" for name, row in found["pages"].items()]
    start, crowd = found["start"], found["visitors"]
    lines += [f"start       {start['first_page']:8.0f} ms, torch imported: {start['torch_imported']}"]
    lines += [f"{crowd['visitors']} visitors, each a map every 3 s: p95 {crowd['ratio']:.2f} x that of one"]
    lines += [f"{crowd['visitors']} visitors, all at the same moment: p95 {crowd['ratio_same_moment']:.2f} x"]
    lines += [
        f"{'reached' if row['reached'] else 'MISSED':7} {name}: {row['found']} (at most {row['goal']})"
        for name, row in found["goals"].items()
    ]
    return "\n".join(lines)
