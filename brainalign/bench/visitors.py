"""Many visitors of one server, each a connection that speaks the app's protocol and paints nothing.

Their readers have computers of their own, so that what they share is the server alone: the time from asking for a new
map until its message has come whole.
"""

import asyncio
import random
import time
from concurrent.futures import ThreadPoolExecutor

AGE = 2  # runs of the script for which a browser keeps a message that came
PAUSE = 3.0  # seconds between the maps that one reader looks at, on average


class Visitor:
    """A connection to the page of flatmaps that switches among the maps of one subject and model."""

    def __init__(self, address, query):
        self.address, self.query = address.replace("http", "ws", 1) + "/_stcore/stream", query
        self.options, self.id, self.fragment, self.hash = [], "", "", ""
        self.runs, self.held = 0, {}  # hash of a message that came -> the run it was last part of

    async def enter(self):
        """Open the page and find its selectbox of instructions."""
        from websockets.asyncio.client import connect

        self.socket = await connect(self.address, subprotocols=["streamlit"], max_size=None)
        await self._ask()
        async for message in self._answers():
            if message.WhichOneof("type") == "new_session":
                self.hash = message.new_session.page_script_hash
            box = message.delta.new_element.selectbox
            if box.label == "Instruction":
                self.id, self.options, self.fragment = box.id, list(box.options), message.delta.fragment_id
        if len(self.options) < 2:
            raise ValueError("the store has no two instructions to switch between")

    async def switch(self, k):
        """Seconds until the map of the k-th instruction has come."""
        start, came = time.perf_counter(), None
        await self._ask(self.options[k % len(self.options)])
        async for message in self._answers():
            painted = message.delta.new_element.WhichOneof("type") == "bidi_component"
            if came is None and (painted or message.ref_hash):  # or one that this visitor has
                came = time.perf_counter() - start
        if came is None:
            raise ValueError("a new instruction brought no new map")
        return came

    async def leave(self):
        await self.socket.close()

    async def _ask(self, chosen=None):
        from streamlit.proto.BackMsg_pb2 import BackMsg

        self.runs += 1
        self.held = {hash: run for hash, run in self.held.items() if self.runs - run <= AGE}
        message = BackMsg()
        wish = message.rerun_script
        wish.query_string, wish.page_name, wish.page_script_hash = self.query, "flatmaps", self.hash
        wish.cached_message_hashes.extend(self.held)
        if chosen is not None:
            wish.fragment_id = self.fragment
            state = wish.widget_states.widgets.add()
            state.id, state.string_value = self.id, chosen
        await self.socket.send(message.SerializeToString())

    async def _answers(self):
        """Messages of the server until the script has run to its end."""
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        while True:
            message = ForwardMsg.FromString(await asyncio.wait_for(self.socket.recv(), 60))
            if message.metadata.cacheable or message.ref_hash:
                self.held[message.ref_hash or message.hash] = self.runs
            if message.WhichOneof("type") == "page_info_changed":  # a browser asks next with the address it was given
                self.query = message.page_info_changed.query_string
            yield message
            early = message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN
            if message.WhichOneof("type") == "script_finished" and not early:
                return


def seconds_of(address, query, visitors, switches, pause=PAUSE, seed=0):
    """Seconds of each switch of so many visitors at once, the maps being those that all of them look at.

    pause : seconds that each looks at a map, 0.5 to 1.5 times as many by chance; 0: all press at once, and again as
        soon as they have their map
    """
    turns = _together(address, query, visitors, switches, pause, random.Random(seed))
    with ThreadPoolExecutor(1) as pool:  # the browser's driver keeps a loop of its own in this thread
        return pool.submit(asyncio.run, turns).result()


async def _together(address, query, visitors, switches, pause, chance):
    group = [Visitor(address, query) for _ in range(visitors)]
    try:
        for one in group:
            await one.enter()
        turns = (_looks(one, switches, pause, random.Random(chance.random())) for one in group)
        return [seconds for found in await asyncio.gather(*turns) for seconds in found]
    finally:
        for one in group:
            await one.leave()


async def _looks(visitor, switches, pause, chance):
    found, first = [], chance.randrange(len(visitor.options))
    for k in range(1, switches + 1):
        await asyncio.sleep(pause * chance.uniform(0.5, 1.5))
        found.append(await visitor.switch(first + k))
    return found
