"""What the app does to the server that runs it: nothing that a page shows, only when it comes."""

import gc
import os
import socket
import sys
from contextlib import suppress
from stat import S_ISSOCK

import streamlit as st


def spare_the_collector():
    """Keep what is there out of the garbage collection after this run; called by what readers run again and again.

    Streamlit collects all garbage after every run; with torch loaded that is 0.35 s of each click, with the pages of
    60 readers 0.03 s, and hardly any of it can be freed. What became garbage in the meantime goes each minute.
    """
    _let_go(len(sys.modules) // 200)  # and for every few hundred modules, which leave much behind
    gc.freeze()


@st.cache_resource(ttl=60, show_spinner=False)
def _let_go(hundreds):
    gc.unfreeze()
    gc.collect()


@st.cache_resource(show_spinner=False)
def send_at_once():
    """Let messages leave when they are ready, once a server; connections to come do as the listening socket does.

    Streamlit's sockets hold a small message back until the browser has acknowledged the one before (Nagle's
    algorithm), which a browser that has been quiet does 40 ms later.
    """
    for number in map(int, os.listdir("/dev/fd")) if os.path.isdir("/dev/fd") else ():
        with suppress(OSError):  # closed in the meantime
            if S_ISSOCK(os.fstat(number).st_mode):
                with socket.socket(fileno=os.dup(number)) as one:
                    if one.family in (socket.AF_INET, socket.AF_INET6) and one.type == socket.SOCK_STREAM:
                        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
