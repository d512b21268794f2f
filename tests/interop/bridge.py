"""The daemon and its command line as they are installed: started, configured, ended.

Knows where the build put them and how a test wants them; what they do is what
the tests find out.
"""
import os
import signal
import socket
import subprocess

from servers import Deadline
from wire import Peer

START_PATIENCE = 60
STOP_PATIENCE = 60


class Bridge:
    """One cometd-bridged with one server, in a directory of its own."""

    def __init__(self, builddir, directory, url, transports, prefix=(), settings=(), upstream=()):
        self.builddir = builddir
        self.directory = directory
        self.prefix = list(prefix)
        self.path = os.path.join(directory, "bridge.sock")
        self.config = os.path.join(directory, "bridge.conf")
        self.log = os.path.join(directory, "daemon.log")
        self.process = None
        self.state = None
        self.configure(url, transports, dict(settings), dict(upstream))
        self.start()

    def configure(self, url, transports, settings, upstream):
        lines = ["[bridge]", f"socket = {self.path}"]
        lines += [f"{name} = {value}" for name, value in settings.items()]
        lines += ["", "[server real]", f"url = {url}", f"transports = {', '.join(transports)}"]
        lines += [f"{name} = {value}" for name, values in upstream.items()
                  for value in (values if isinstance(values, list) else [values])]
        if "linger" not in upstream:   # a channel ends with the last program that has it
            lines.append("linger = off")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")

    def start(self):
        """Starts it and waits until it sends READY=1, as systemd does."""
        notify = os.path.join(self.directory, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, open(self.log, "ab") as log:
            if os.path.exists(notify):
                os.unlink(notify)
            ready.bind(notify)
            self.process = subprocess.Popen(
                self.prefix + [os.path.join(self.builddir, "cometd-bridged"), "--config", self.config],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment(notify))
            self.wait_ready(ready, Deadline(START_PATIENCE))

    def environment(self, notify):
        """Without the state directory of another process; with one of its own after keep_state()."""
        env = dict(os.environ, NOTIFY_SOCKET=notify)
        env.pop("STATE_DIRECTORY", None)
        return dict(env, STATE_DIRECTORY=self.state) if self.state else env

    def keep_state(self):
        """From the next start on it has a state directory."""
        self.state = os.path.join(self.directory, "state")
        os.mkdir(self.state, 0o700)

    def kept(self):
        """The content of each file in it."""
        for name in os.listdir(self.state):
            with open(os.path.join(self.state, name), "rb") as file:
                yield file.read()

    def wait_ready(self, ready, deadline):
        ready.settimeout(0.1)
        while not deadline.passed():
            try:
                if b"READY=1" in ready.recv(4096).split(b"\n"):
                    return
            except TimeoutError:
                if self.process.poll() is not None:
                    raise RuntimeError(f"the daemon ended with status {self.process.returncode}") from None
        raise TimeoutError("the daemon never said READY=1")

    def peer(self, name="interop"):
        return Peer(self.path, name)

    def cometctl(self, *arguments, **options):
        """A cometctl that runs; the caller ends or communicates with it."""
        return subprocess.Popen([os.path.join(self.builddir, "cometctl"), "--socket", self.path, *arguments],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def run(self, *arguments, text=None, seconds=15):
        """Runs cometctl to its end: (status, output, complaints)."""
        process = self.cometctl(*arguments)
        try:
            output, complaints = process.communicate(text and text.encode(), timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise TimeoutError(f"cometctl {' '.join(arguments)} did not end") from None
        return process.returncode, output.decode(), complaints.decode()

    def descriptors(self):
        """How many it has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self):
        """SIGTERM; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            raise TimeoutError("the daemon did not stop") from None

    def finish(self):
        """The end of a case that did not end it: in good order, with nothing that a sanitizer minds."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(STOP_PATIENCE)
        if status != 0:
            raise RuntimeError(f"the daemon ended with status {status}")

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def tail(self, lines=30):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-lines:])
