"""Fixtures shared by all tests."""

import gc
import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy and torch: on a busy machine threads wait for each other

from browser import chromium, serve, visit  # noqa: F401


def pytest_sessionfinish():
    """Let go of what the pages keep, so that the database's bindings end without complaint."""
    if streamlit := sys.modules.get("streamlit"):
        streamlit.cache_resource.clear()
        streamlit.cache_data.clear()
    gc.unfreeze()
    gc.collect()
