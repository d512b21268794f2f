"""A bad network in one process: a TCP proxy that stalls, cuts, half-closes and swallows.

It is between the daemon and a server and disturbs a connection at random times. The
kinds of failure and their times are drawn from one seed: the same seed gives the same
sequence of failures, but not with the same bytes on the wire at that moment.
"""
import asyncio
import collections
import random
import socket
import struct
import threading

PIECE = 1 << 16


class Link:
    """One connection through the proxy: two pumps and what is wrong with them."""

    def __init__(self, reader, writer):
        self.ends = [(reader, writer)]
        self.open = asyncio.Event()         # cleared: nothing moves
        self.open.set()
        self.swallows = False               # what comes is read and thrown away
        self.carried = 0                    # bytes, both ways
        self.room = None                    # bytes still let through to the client, then it is cut

    async def run(self, port):
        self.ends.append(await asyncio.open_connection("127.0.0.1", port))
        (client_in, client_out), (server_in, server_out) = self.ends
        await asyncio.gather(self.pump(client_in, server_out, False), self.pump(server_in, client_out, True))

    async def pump(self, source, target, down):
        try:
            while piece := await source.read(PIECE):
                await self.open.wait()
                self.carried += len(piece)
                if self.swallows:
                    continue
                if down and self.room is not None:
                    piece = piece[:self.room]
                    target.write(piece)
                    await target.drain()
                    self.cut(reset=False)
                    return
                target.write(piece)
                await target.drain()
            if not self.swallows:
                target.write_eof()
        except (OSError, RuntimeError):
            self.cut(reset=True)

    def cut(self, reset):
        for _, writer in self.ends:
            if reset and not writer.is_closing():
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if reset:
                writer.transport.abort()
            else:
                writer.close()

    def half_close(self, which):
        if len(self.ends) == 2:
            try:
                self.ends[which][1].write_eof()
            except (OSError, RuntimeError):
                pass


class Proxy:
    """Listens on `port` of the loopback interface as long as it is_alive; well behaved until start()."""

    def __init__(self, server, seed):
        self.server_port = server.port
        self.path = server.path
        self.random = random.Random(seed)
        self.done = collections.Counter()
        self.links = set()
        self.refusing = False
        self.trouble = None
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.listener = self.call(self.listen())
        self.port = self.listener.sockets[0].getsockname()[1]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}{self.path}"

    def call(self, coroutine, seconds=10):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(seconds)

    async def listen(self):
        return await asyncio.start_server(self.accept, "127.0.0.1", 0)

    async def accept(self, reader, writer):
        link = Link(reader, writer)
        if self.refusing:
            link.cut(reset=True)
            return
        self.links.add(link)
        try:
            await link.run(self.server_port)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self.links.discard(link)
            link.cut(reset=False)

    # ---- failures ----

    async def make_failure(self, pause):
        kinds = {"cut": 5, "torn": 5, "half-close": 2, "half-open": 1, "stall": 3, "blackhole": 1, "refuse": 1,
                 "all": 2}
        while True:
            await asyncio.sleep(self.random.uniform(*pause))
            kind = self.random.choices(list(kinds), list(kinds.values()))[0]
            # as many draws for every kind, so that a seed means the same whatever there is to break
            which, share, seconds = self.random.random(), self.random.random(), self.random.uniform(0.05, 0.8)
            links = sorted(self.links, key=id)
            if links:
                self.done[kind] += 1
                self.harm(kind, links, links[int(which * len(links))], share, seconds)

    def harm(self, kind, links, link, share, seconds):
        if kind == "cut":
            link.cut(reset=share < 0.5)
        elif kind == "torn":
            link.room = int(share * share * 2000)
        elif kind == "half-close":
            link.half_close(0)
        elif kind == "half-open":
            link.half_close(1)
        elif kind == "stall":
            link.open.clear()
            self.loop.call_later(seconds, link.open.set)
        elif kind == "blackhole":
            link.swallows = True
        elif kind == "refuse":
            self.refusing = True
            self.loop.call_later(seconds, setattr, self, "refusing", False)
            link.cut(reset=True)
        else:
            for each in links:
                each.cut(reset=share < 0.5)

    def start(self, pause=(0.02, 1.0)):
        self.trouble = asyncio.run_coroutine_threadsafe(self.make_failure(pause), self.loop)

    def stop(self):
        """No further failures; what was broken stays broken."""
        if self.trouble:
            self.trouble.cancel()
            self.trouble = None
        self.refusing = False

    def close(self):
        self.stop()
        self.call(self.end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    async def end(self):
        self.listener.close()
        for link in list(self.links):
            link.cut(reset=True)
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
