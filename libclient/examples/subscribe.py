#!/usr/bin/env python3
"""Prints what arrives on the channels given. No library: the wire is described
in PROTOCOL.md and needs a socket, four bytes of arithmetic and JSON.

    python3 subscribe.py /chat/room '/news/**'
"""
import json
import os
import socket
import struct
import sys


class Bridge:
    """One connection to cometd-bridged."""

    def __init__(self, name):
        self.last_id = 0
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(os.environ.get("COMETD_BRIDGE_SOCKET",
                                         "/run/cometd-bridge/bridge.sock"))
        self.request(op="hello", version=1, name=name)

    def request(self, **frame):
        """Sends a request; its reply will carry the id returned."""
        self.last_id += 1
        body = json.dumps({**frame, "id": self.last_id}).encode()
        self.sock.sendall(struct.pack(">I", len(body)) + body)
        return self.last_id

    def read(self, n):
        data = bytearray()
        while len(data) < n:
            piece = self.sock.recv(n - len(data))
            if not piece:
                raise ConnectionError("the daemon went away")
            data += piece
        return bytes(data)

    def frames(self):
        """Yields each frame of the daemon as an object."""
        while True:
            length, = struct.unpack(">I", self.read(4))
            yield json.loads(self.read(length))


def main(channels):
    bridge = Bridge("subscribe.py")
    bridge.request(op="subscribe", channels=channels)
    for frame in bridge.frames():
        if frame["op"] == "message":
            message = frame["message"]
            print(message["channel"], json.dumps(message.get("data")), flush=True)
        elif frame["op"] == "lost":
            print(frame["count"], "messages lost", file=sys.stderr)
        elif frame["op"] == "subscription" and "error" in frame:
            print(frame["channel"], frame["error"]["message"], file=sys.stderr)
            if not frame["ok"]:
                sys.exit(1)
        elif frame["op"] == "reply" and not frame["ok"]:
            sys.exit(frame["error"]["message"])
        elif frame["op"] == "closing":
            sys.exit(frame["reason"])


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: subscribe.py CHANNEL...")
    main(sys.argv[1:])
