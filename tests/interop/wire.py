"""The local wire (protocol/PROTOCOL.md): a peer of the bridge in Python.

Frames, hello, requests and events. One thread, one socket; every wait has a deadline
and reads everything that arrives, so that messages queue here and never in the daemon.
"""
import collections
import json
import select
import socket
import struct

from servers import Deadline

FRAME_MAX = 16 << 20
PATIENCE = 60


class Refused(Exception):
    """A reply with ok false."""

    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.code = error["code"]
        self.bayeux = error.get("bayeux")


class Closed(Exception):
    """The connection is gone; `closing` is the daemon's last word, or None."""

    def __init__(self, closing):
        super().__init__(f"connection closed: {closing}")
        self.closing = closing


class Frames:
    """Length prefixes off: feed bytes, take whole frames."""

    def __init__(self):
        self.buffer = bytearray()

    def feed(self, data):
        self.buffer += data

    def next(self):
        """The body of the next frame, or None; ValueError for a length that must not be."""
        if len(self.buffer) < 4:
            return None
        (length,) = struct.unpack_from(">I", self.buffer)
        if not 0 < length <= FRAME_MAX:
            raise ValueError(f"a frame of {length} bytes")
        if len(self.buffer) < 4 + length:
            return None
        body = bytes(self.buffer[4:4 + length])
        del self.buffer[:4 + length]
        return body


def frame(fields):
    body = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    return struct.pack(">I", len(body)) + body


class Message:
    """An event of op message: `raw` is the frame's text, `bayeux` its message parsed."""

    def __init__(self, event, raw):
        self.raw = raw
        self.server = event["server"]
        self.seq = event["seq"]
        self.bayeux = event["message"]
        self.channel = self.bayeux["channel"]
        self.data = self.bayeux.get("data")
        self.binary = event.get("binary")

    def __repr__(self):
        return f"<{self.seq} {self.raw[:120]}>"


class Peer:
    """A connection to the bridge, after hello.

    Events wait in queues of their own kind: messages, and in `events` by op the
    others (state, subscription, lost). `states` holds the newest state by server.
    """

    def __init__(self, path, name="interop", sock=None):
        self.sock = sock or socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if sock is None:
            self.sock.connect(path)
        self.frames = Frames()
        self.messages = collections.deque()
        self.events = collections.defaultdict(collections.deque)
        self.replies = {}
        self.answered = set()
        self.closing = None
        self.last_id = 0
        self.states = {}
        self.hello = self.request("hello", version=1, name=name)
        for state in self.hello["servers"]:
            self.states.setdefault(state["server"], state)

    # ---- requests ----

    def post(self, op, **fields):
        """Sends a request and returns its id; reply() waits for it."""
        self.last_id += 1
        self.write(frame(dict(op=op, id=self.last_id, **fields)))
        return self.last_id

    def write(self, data):
        """Writes everything, reading meanwhile: a daemon that waits for us to read does not block us."""
        view = memoryview(data)
        deadline = Deadline(PATIENCE)
        self.sock.setblocking(False)
        while view:
            readable, writable, _ = select.select([self.sock], [self.sock], [], deadline.left())
            if not readable and not writable:
                raise TimeoutError(f"{len(view)} bytes could not be written")
            if readable:
                self.read()
            if writable:
                view = view[self.sock.send(view):]

    def reply(self, request, seconds=PATIENCE):
        """The result of a request; raises Refused when the daemon rejected it."""
        self.read_until(lambda: request in self.replies, seconds, f"no reply to request {request}")
        reply = self.replies.pop(request)
        if not reply["ok"]:
            raise Refused(reply["error"])
        return reply.get("result")

    def request(self, op, seconds=PATIENCE, **fields):
        return self.reply(self.post(op, **fields), seconds)

    def subscribe(self, *channels, **fields):
        return self.request("subscribe", channels=list(channels), **fields)

    def publish(self, channel, data, **fields):
        return self.request("publish", channel=channel, data=data, **fields)

    # ---- events ----

    def take(self, count, seconds=PATIENCE):
        """The next count messages, in order of arrival."""
        self.read_until(lambda: len(self.messages) >= count, seconds,
                        lambda: f"{len(self.messages)} of {count} messages: {list(self.messages)[:5]}")
        return [self.messages.popleft() for _ in range(count)]

    def take_until(self, data, seconds=PATIENCE):
        """All messages up to one with this data, which is taken and not returned."""
        found = []
        deadline = Deadline(seconds)
        while True:
            try:
                [message] = self.take(1, deadline.left())
            except TimeoutError:
                raise TimeoutError(f"no message {data!r} after {len(found)} others: {found[:5]}") from None
            if message.data == data:
                return found
            found.append(message)

    def wait_state(self, wanted, seconds=PATIENCE, server=None):
        """Until the newest state of the server is wanted, a name or a predicate."""
        test = wanted if callable(wanted) else lambda state: state["state"] == wanted
        server = server or next(iter(self.states))
        self.read_until(lambda: test(self.states[server]), seconds,
                        lambda: f"state never came: {self.states[server]}")
        return self.states[server]

    # ---- bytes ----

    def read(self):
        """Takes in what has come; Closed when the daemon is gone."""
        try:
            data = self.sock.recv(1 << 20)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed(self.closing)
        self.frames.feed(data)
        while (body := self.frames.next()) is not None:
            self.sort(body.decode())

    def sort(self, text):
        event = json.loads(text)
        op = event["op"]
        if op == "reply":
            assert event["id"] not in self.answered, f"a second reply: {text[:200]}"
            self.answered.add(event["id"])
            self.replies[event["id"]] = event
        elif op == "message":
            self.messages.append(Message(event, text))
        elif op == "closing":
            self.closing = event
        else:
            self.events[op].append(event)
            if op == "state":
                self.states[event["server"]] = event

    def read_until(self, done, seconds, complaint):
        deadline = Deadline(seconds)
        while not done():
            if not select.select([self.sock], [], [], deadline.left())[0]:
                raise TimeoutError(complaint() if callable(complaint) else complaint)
            self.read()

    def wait_closed(self, seconds=PATIENCE):
        """Until the daemon closes; its closing event or None."""
        try:
            self.read_until(lambda: False, seconds, "the connection stays open")
        except Closed as closed:
            return closed.closing

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
