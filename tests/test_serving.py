"""What the app does to its server: garbage goes when it is due and not sooner, and messages leave at once."""

import gc
import os
import socket
import weakref

import pytest
import streamlit as st

from brainalign import serving


class Ring:
    """Only a collection frees it."""

    def __init__(self):
        self.itself = self


@pytest.fixture
def thawed():
    yield
    gc.unfreeze()
    st.cache_resource.clear()


def test_what_is_there_is_spared_and_garbage_goes_a_minute_later(thawed):
    serving.spare_the_collector()
    ring = Ring()
    gone = weakref.ref(ring)
    del ring
    serving.spare_the_collector()  # the next run, soon after
    gc.collect()
    assert gone() is not None
    serving._let_go.clear()  # as after a minute
    serving.spare_the_collector()
    assert gone() is None


def test_a_collection_after_a_run_sees_what_came_since_alone(thawed):
    serving.spare_the_collector()
    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects()) < 1000


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="no list of open files")
def test_messages_leave_at_once_also_on_connections_to_come(thawed):
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not server.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        st.cache_resource.clear()
        serving.send_at_once()
        assert server.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        with socket.create_connection(server.getsockname()), server.accept()[0] as connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
