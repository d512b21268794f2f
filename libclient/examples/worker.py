#!/usr/bin/env python3
"""Prints each message of a channel at least once, also if it is killed at any moment.
`billing` is the name of a durable consumer: the daemon stores the messages of the channel
until they are acknowledged. No library: the wire is described in PROTOCOL.md.

    python3 worker.py billing /orders
"""
import json
import os
import socket
import struct
import sys


def send(sock, **frame):
    body = json.dumps(frame).encode()
    sock.sendall(struct.pack(">I", len(body)) + body)


def frames(file):
    """Yields each frame of the daemon as an object."""
    while True:
        head = file.read(4)
        if len(head) < 4:
            sys.exit("the daemon went away")
        yield json.loads(file.read(struct.unpack(">I", head)[0]))


def main(name, channel):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(os.environ.get("COMETD_BRIDGE_SOCKET", "/run/cometd-bridge/bridge.sock"))
    send(sock, op="hello", id=1, version=1, name="worker.py")
    send(sock, op="subscribe", id=2, channel=channel, durable=name)
    redelivered = 0
    for frame in frames(sock.makefile("rb")):
        if frame["op"] == "message":
            again = "again: " if frame["seq"] <= redelivered else ""
            print(again + frame["message"]["channel"], json.dumps(frame["message"].get("data")), flush=True)
            # processed: it does not come again. Without an id there is no reply
            send(sock, op="ack", server=frame["server"], durable=name, seq=frame["seq"])
        elif frame["op"] == "lost":
            print(frame["count"] or "some", "messages lost", file=sys.stderr)
            if frame["count"]:
                send(sock, op="ack", server=frame["server"], durable=name, seq=frame["last"])
        elif frame["op"] == "reply" and not frame["ok"]:
            sys.exit(frame["error"]["message"])
        elif frame["op"] == "reply" and frame["id"] == 2:
            redelivered = frame["result"]["redelivered"]
        elif frame["op"] == "subscription" and "error" in frame and not frame["ok"]:
            sys.exit(frame["error"]["message"])
        elif frame["op"] == "closing":
            sys.exit(frame["reason"])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: worker.py NAME CHANNEL")
    main(sys.argv[1], sys.argv[2])
