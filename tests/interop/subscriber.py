#!/usr/bin/env python3
"""A subscriber: subscriber.py SOCKET CHANNEL... prints `ready` when it is subscribed,
then each message as one line with its channel and its data."""
import json
import sys

from wire import Peer

with Peer(sys.argv[1], "subscriber") as peer:
    peer.subscribe(*sys.argv[2:])
    print("ready", flush=True)
    while True:
        [message] = peer.take(1, 3600)
        print(message.channel, json.dumps(message.data), sep="\t", flush=True)
