"""Fixtures shared by all tests."""

import gc
import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy and torch: on a busy machine threads wait for each other

import pytest
from browser import chromium, serve, visit  # noqa: F401


@pytest.fixture(scope="session")
def simulated_root(tmp_path_factory):
    """A simulated NSD root with seed 3: subj02 with two sessions, volume and surface. To be read, not changed."""
    from brainalign.demo.root import write_root

    directory = tmp_path_factory.mktemp("simulated") / "nsd"
    write_root(directory, subjects=(2,), sessions=2, seed=3, space="fsaverage")
    return directory


def pytest_sessionfinish():
    """Let go of what the pages keep, so that the database's bindings end without complaint."""
    if streamlit := sys.modules.get("streamlit"):
        streamlit.cache_resource.clear()
        streamlit.cache_data.clear()
    gc.unfreeze()
    gc.collect()
