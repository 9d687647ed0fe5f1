"""Fixtures shared by all tests."""

import gc
import sys

from browser import chromium, serve, visit  # noqa: F401


def pytest_sessionfinish():
    """Let go of what the pages keep, so that the database's bindings end without complaint."""
    if streamlit := sys.modules.get("streamlit"):
        streamlit.cache_resource.clear()
        streamlit.cache_data.clear()
    gc.unfreeze()
    gc.collect()
