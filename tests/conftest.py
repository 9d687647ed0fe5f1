"""Fixtures shared by all tests."""

import gc
import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy and torch: on a busy machine threads wait for each other

import pytest
from browser import chromium, serve, visit  # noqa: F401

LATE = ["TimeoutError", "Locator expected", "Page expected"]  # what a browser says that waited in vain


def pytest_collection_modifyitems(items):
    """A browser on a busy machine may come too late once; twice is a failure."""
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=1, only_rerun=LATE))


def pytest_sessionfinish():
    """Let go of what the pages keep, so that the database's bindings end without complaint."""
    if streamlit := sys.modules.get("streamlit"):
        streamlit.cache_resource.clear()
        streamlit.cache_data.clear()
    gc.unfreeze()
    gc.collect()
