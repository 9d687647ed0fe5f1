"""Fixtures shared by all tests."""

from browser import chromium, serve, visit  # noqa: F401
