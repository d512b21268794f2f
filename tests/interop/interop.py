#!/usr/bin/env python3
"""The bridge and real Bayeux servers: every case of cases.py, with every server
(only the cases in PARTS for some), over every transport that it has. The servers come from servers/fetch.

Prints PASS, FAIL or SKIP (with the reason) for each and closes with the counts;
exits 0 when nothing failed. A case that failed is run once more when all others
are done, by itself; if it passes then, it counts as passed, and `flaky NAME` is
printed. Python's standard library is all it needs.
"""
import argparse
import concurrent.futures
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import chaos
import chaos_cases  # noqa: F401 (adds its cases)
import network
import salesforce_cases  # noqa: F401 (adds its cases)
from bridge import Bridge
from cases import CASES, NotHere
from servers import GENERAL, Server, TRANSPORTS

HOLD_MS = 2000
SERVER_OPTIONS = {"cometd-java": {"max_message_size", "ack", "max_interval", "handshake_reconnect",
                                  "timesync", "binary", "activity"},
                  "cometd-java-3": {"max_message_size", "ack", "max_interval", "handshake_reconnect"},
                  "cometd-nodejs": set(), "faye": set(), "salesforce-like": set()}
# An older release of a server only runs the cases that depend on its code: sessions and their ends,
# subscriptions, delivery of events and answers, and the ack extension with broken connections. Cases that
# only depend on the bridge (the command line, names, slow readers) would take minutes and show nothing new.
PARTS = {"cometd-java-3": {"order", "twenty", "overlap", "call", "large", "burst", "negotiation", "goodbye",
                           "restart", "expire", "kick", "frozen", "chaos"}}
assert all(part <= CASES.keys() for part in PARTS.values()), PARTS


class Skip(Exception):
    """Cannot run on this machine, and why."""


class Scene:
    """A real server, a daemon that knows it, and what a case adds; all gone when it closes."""

    def __init__(self, arguments, kind, transport, transports=None, network=False, chaos=False, bridge=(),
                 upstream=(), credential="file", only=(), **options):
        self.closing = contextlib.ExitStack()
        self.transport = transport
        self.said = []
        try:
            self.network = self.make_network() if network else None
            prefix = self.network.prefix if self.network else ()
            options = {name: value for name, value in options.items() if name in SERVER_OPTIONS[kind]}
            self.server = self.closing.enter_context(Server(kind, prefix, timeout=HOLD_MS, **options))
            self.proxy = self.make_proxy() if chaos else None
            directory = self.closing.enter_context(tempfile.TemporaryDirectory(prefix="interop"))
            upstream = dict(upstream)
            if kind == "salesforce-like":
                upstream.update(self.credential(credential, directory))
            self.bridge = Bridge(arguments.builddir, directory, (self.proxy or self.server).url,
                                 transports or [transport], prefix, bridge, upstream)
            self.closing.callback(self.bridge.close)
        except BaseException:
            self.closing.close()
            raise

    def make_network(self):
        reason = network.missing()
        if reason:
            raise Skip(reason)
        made = network.Network()
        self.closing.callback(made.close)
        return made

    def make_proxy(self):
        """A bad network; its seed is printed, so that the same failures can be repeated."""
        self.seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1 << 32))
        self.say(f"CHAOS_SEED={self.seed}")
        made = chaos.Proxy(self.server, self.seed)
        self.closing.callback(made.close)
        return made

    def credential(self, source, directory):
        """The options by which the daemon finds the token that token() puts there."""
        self.token_file = os.path.join(directory, "token")
        self.token_form = "OAuth {}" if source == "header" else "{}"
        self.token("first")
        if source == "oauth":
            secret = os.path.join(directory, "secret")
            with open(os.open(secret, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
                file.write("s3cret\n")
            return {"oauth": "\n".join((
                "tokens", "[oauth tokens]", f"token-url = http://127.0.0.1:{self.server.port}/services/oauth2/token",
                "client-id = consumer", f"client-secret-file = {secret}", "client-auth = body", "[server real]"))}
        if source == "command":
            return {"credential-command": f"/bin/cat {self.token_file}"}
        if source == "header":
            return {"credential-file": self.token_file, "credential": "header Authorization"}
        return {"credential-file": self.token_file}

    def token(self, text):
        """Replaces the token file atomically."""
        new = self.token_file + ".new"
        with open(new, "w", encoding="utf-8") as file:
            file.write(self.token_form.format(text) + "\n")
        os.chmod(new, 0o600)
        os.replace(new, self.token_file)

    def say(self, text):
        """Adds a line to print after the verdict."""
        self.said.append(text)

    def peer(self, name="interop"):
        """A peer, once the bridge is connected to the server."""
        peer = self.bridge.peer(name)
        self.closing.callback(peer.close)
        self.connected(peer)
        peer.events["state"].clear()
        return peer

    def connected(self, peer, seconds=30):
        return peer.wait_state("connected", seconds)

    @staticmethod
    def answer(result):
        """The Bayeux message in the result of a call."""
        return result["message"]

    def process(self, command):
        return self.process_of(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE))

    def process_of(self, process):
        def end():
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    pipe.close()
        self.closing.callback(end)
        return process


def run(arguments, name, kind, transport):
    """Runs one case: (verdict, message)."""
    function, options = CASES[name]
    scene = None
    try:
        scene = Scene(arguments, kind, transport, **options)
        with scene.closing:
            try:
                function(scene)
                scene.bridge.finish()
            except NotHere:
                return "NONE", None
            except Exception:
                return "FAIL", (traceback.format_exc() + "\n".join(scene.said) + "\n--- daemon\n" +
                                scene.bridge.tail())
        return "PASS", "; ".join(scene.said)
    except Skip as skip:
        return "SKIP", str(skip)
    except Exception:
        return "FAIL", traceback.format_exc()


class Report:
    def __init__(self):
        self.counts = {"PASS": 0, "FAIL": 0, "SKIP": 0, "NONE": 0}
        self.failed = []
        self.lock = threading.Lock()

    def tell(self, item, verdict, reason, seconds):
        name, kind, transport = item
        label = f"{kind}/{transport}/{name}"
        with self.lock:
            self.counts[verdict] += 1
            if verdict == "FAIL":
                self.failed.append(item)
            if verdict == "NONE":
                return
            note = f" ({reason})" if reason and verdict != "FAIL" else ""
            print(f"{verdict} {label} {seconds:.1f} s{note}", flush=True)
            if verdict == "FAIL":
                print("    " + reason.rstrip().replace("\n", "\n    "), flush=True)

    def again(self, one):
        """Runs the cases that failed once more, by `one`: an accident does not come twice. Where many
        failed, it was none."""
        failed, self.failed = self.failed, []
        if len(failed) > 10:
            return
        for item in failed:
            print("---- once more by itself:", flush=True)
            self.counts["FAIL"] -= 1
            one(item)
            if item not in self.failed:
                name, kind, transport = item
                print(f"flaky {kind}/{transport}/{name}", flush=True)

    def close(self):
        c = self.counts
        print(f"{c['PASS']} passed, {c['FAIL']} failed, {c['SKIP']} skipped")
        return 1 if c["FAIL"] or not c["PASS"] else 0


def holds(kind, name):
    if kind in PARTS:
        return name in PARTS[kind]
    return kind in CASES[name][1].get("only", GENERAL)


def selection(arguments):
    for kind in arguments.server or TRANSPORTS:
        for transport in TRANSPORTS[kind]:
            if arguments.transport in (None, transport):
                for name, (_, options) in CASES.items():
                    # a case that chooses the transports itself is one, not one for each
                    if "transports" in options and transport != TRANSPORTS[kind][0]:
                        continue
                    if not holds(kind, name):
                        continue
                    if arguments.k in f"{kind}/{transport}/{name}":
                        yield name, kind, transport


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--builddir", default=os.environ.get("top_builddir", "."),
                        help="where cometd-bridged and cometctl were built (.)")
    parser.add_argument("--server", action="append", choices=list(TRANSPORTS))
    parser.add_argument("--transport", choices=["websocket", "long-polling"])
    parser.add_argument("-k", default="", metavar="TEXT", help="only cases whose SERVER/TRANSPORT/NAME contains it")
    parser.add_argument("--jobs", type=int, default=2, help="cases at a time (2)")
    parser.add_argument("--list", action="store_true", help="name the cases and stop")
    return parser.parse_args()


def main():
    arguments = parse()
    arguments.builddir = os.path.abspath(arguments.builddir)
    chosen = list(selection(arguments))
    if arguments.list:
        for name, kind, transport in chosen:
            print(f"{kind}/{transport}/{name}: {CASES[name][0].__doc__.splitlines()[0]}")
        return 0
    report = Report()

    def one(item):
        begin = time.monotonic()
        verdict, reason = run(arguments, *item)
        report.tell(item, verdict, reason, time.monotonic() - begin)

    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(one, chosen))
    report.again(one)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
