"""The real servers of servers/CONTROL.md as objects: start, command, kill.

Every wait has a deadline; what was started is ended in close(), and ends by
itself when the test process dies (its standard input closes).
"""
import json
import os
import select
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TRANSPORTS = {
    "cometd-java": ("websocket", "long-polling"),
    "cometd-java-3": ("websocket", "long-polling"),
    "cometd-nodejs": ("long-polling",),
    "faye": ("websocket", "long-polling"),
    "salesforce-like": ("long-polling",),
}
# general servers: used for every case that does not name its servers
GENERAL = ("cometd-java", "cometd-nodejs", "faye")
# independent implementations
STRANGERS = (*GENERAL, "cometd-java-3")
PATHS = {"salesforce-like": "/cometd/60.0"}
START_PATIENCE = 60
COMMAND_PATIENCE = 60


class Deadline:
    """A moment that waits must not pass."""

    def __init__(self, seconds):
        self.end = time.monotonic() + seconds

    def left(self):
        return max(0.0, self.end - time.monotonic())

    def passed(self):
        return self.left() == 0


class Lines:
    """Lines of a pipe, each waited for no longer than its deadline."""

    def __init__(self, fd):
        self.fd = fd
        self.buffer = bytearray()

    def next(self, deadline):
        """The next line without its end; None at end of file; TimeoutError."""
        while b"\n" not in self.buffer:
            if not select.select([self.fd], [], [], deadline.left())[0]:
                raise TimeoutError("no line within the deadline")
            piece = os.read(self.fd, 1 << 16)
            if not piece:
                return None
            self.buffer += piece
        line, _, rest = bytes(self.buffer).partition(b"\n")
        self.buffer = bytearray(rest)
        return line


class Server:
    """One running server. Options are those of CONTROL.md: Server("faye", timeout=2000)."""

    def __init__(self, kind, prefix=(), **options):
        self.kind = kind
        self.prefix = list(prefix)
        self.options = options
        self.port = 0
        self.process = None
        self.start()

    def start(self):
        """Starts it, again on the port it had."""
        command = self.prefix + [os.path.join(HERE, "servers", "start"), self.kind]
        for name, value in dict(self.options, port=self.port).items():
            flag = "--" + name.replace("_", "-")
            command += [flag] if value is True else [flag, str(value)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.lines = Lines(self.process.stdout.fileno())
        greeting = self.answer(START_PATIENCE)
        if not greeting.startswith("listening "):
            raise RuntimeError(f"{self.kind}: {greeting}")
        self.port = int(greeting.split()[1])

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}{self.path}"

    @property
    def path(self):
        """Of its Bayeux endpoint."""
        return PATHS.get(self.kind, "/cometd")

    def answer(self, seconds=COMMAND_PATIENCE):
        line = self.lines.next(Deadline(seconds))
        if line is None:
            raise RuntimeError(f"{self.kind} ended with status {self.process.wait()}")
        return line.decode()

    def command(self, line, seconds=COMMAND_PATIENCE):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        answer = self.answer(seconds)
        if answer.startswith("error"):
            raise RuntimeError(f"{self.kind}: {line[:80]}: {answer}")
        return answer

    def stats(self):
        return json.loads(self.command("stats"))

    def publish(self, channel, text):
        """Publishes JSON text unchanged (one line)."""
        self.command(f"publish {channel} {text}")

    def burst(self, channel, count):
        self.command(f"burst {channel} {count}")

    def kick(self):
        self.command("kick")

    def expire(self):
        self.command("expire")

    def wait_for(self, kind, count, seconds=10):
        """A barrier: waits for the counter; TimeoutError has its actual value."""
        if self.command(f"await {kind} {count} {int(seconds * 1000)}", seconds + 5) != "ok":
            raise TimeoutError(f"{self.kind}: {kind} did not come to {count}: {self.stats()}")

    def kill(self):
        """Kills it as in a crash; start() starts it again."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.process = None

    close = kill

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
