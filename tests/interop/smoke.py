#!/usr/bin/env python3
"""Tests of the servers themselves, without the bridge: raw Bayeux over long-polling,
and every control line as documented in servers/CONTROL.md. If this fails, the
results of the other tests here are meaningless.

    smoke.py [KIND...]
"""
import http.client
import json
import sys
import traceback

from servers import Server, STRANGERS, TRANSPORTS

HOLD_MS = 1500
EXACT = '{"text":"\\u00e4\\u2603\\ud83d\\ude00","zero":0,"none":null,"empty":"","big":9007199254740991}'


class Client:
    """A Bayeux client as small as can be: one exchange at a time, cookies kept."""

    def __init__(self, port):
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self.cookie = None
        self.id = 0
        self.client_id = None

    def send(self, channel, **fields):
        """One message up; the messages that came with its answer, its reply last."""
        self.id += 1
        message = dict(fields, channel=channel, id=str(self.id))
        if self.client_id:
            message["clientId"] = self.client_id
        headers = {"Content-Type": "application/json;charset=UTF-8"}
        if self.cookie:
            headers["Cookie"] = self.cookie
        self.http.request("POST", "/cometd", json.dumps([message]), headers)
        response = self.http.getresponse()
        body = response.read()
        assert response.status == 200, (response.status, body)
        if response.getheader("Set-Cookie"):
            self.cookie = response.getheader("Set-Cookie").split(";")[0]
        messages = json.loads(body)
        replies = [m for m in messages if m.get("id") == str(self.id) and "data" not in m]
        assert len(replies) == 1, messages
        return [m for m in messages if m is not replies[0]], replies[0]

    def handshake(self):
        self.client_id = None
        _, reply = self.send("/meta/handshake", version="1.0", supportedConnectionTypes=["long-polling"])
        assert reply["successful"], reply
        self.client_id = reply["clientId"]

    def connect(self, hold=True):
        advice = {} if hold else {"advice": {"timeout": 0}}
        return self.send("/meta/connect", connectionType="long-polling", **advice)

    def collect(self, count):
        """Connects until count events are there, at most ten times."""
        events = []
        for _ in range(10):
            if len(events) >= count:
                return events
            arrived, reply = self.connect()
            assert reply["successful"], reply
            events += arrived
        raise AssertionError(f"{len(events)} of {count} events: {events[:3]}")


def check(kind):
    options = {"timeout": HOLD_MS}
    if kind in ("cometd-java", "cometd-java-3"):
        options["max_message_size"] = 4 << 20
    with Server(kind, **options) as server:
        converse(server)
        if "websocket" in TRANSPORTS[kind]:
            upgrade(server)
        end_sessions(server)
        restart(server)


def converse(server):
    client = Client(server.port)
    client.handshake()
    assert client.connect(hold=False)[1]["successful"]
    assert client.send("/meta/subscribe", subscription="/a/b")[1]["successful"]
    server.wait_for("subscribes", 1)

    server.publish("/a/b", EXACT)
    server.publish("/a/b", "0")
    server.publish("/a/b", "null")
    data = [event["data"] for event in client.collect(3)]
    assert data == [json.loads(EXACT), 0, None], data

    server.burst("/a/b", 100)
    assert [event["data"]["n"] for event in client.collect(100)] == list(range(100))

    large = "x" * 1_000_000
    events, reply = client.send("/a/b", data=large)
    assert reply["successful"], reply
    events = events or client.collect(1)
    assert [event["data"] for event in events] == [large]
    services(client)

    assert client.send("/meta/unsubscribe", subscription="/a/b")[1]["successful"]
    stats = server.stats()
    assert stats["handshakes"] == 1 and stats["sessions"] == 1, stats
    assert stats["subscribes"] == {"/a/b": 1} and stats["unsubscribes"] == {"/a/b": 1}, stats
    assert stats["publishes"] == 4 and stats["connects"] >= 3, stats
    assert client.send("/meta/disconnect")[1]["successful"]
    server.wait_for("disconnects", 1)
    server.wait_for("sessions", 0)


def upgrade(server):
    """The WebSocket handshake is answered, with the key that RFC 6455 gives as its example."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/cometd", headers={
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
    response = connection.getresponse()
    assert response.status == 101, response.status
    assert response.getheader("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    connection.close()


def services(client):
    events, reply = client.send("/service/echo", data={"say": 1})
    assert reply["successful"], reply
    [event] = events or client.collect(1)
    assert event["data"] == {"say": 1} and event["successful"], event
    assert event["channel"] == "/service/echo" and event["id"] == reply["id"], event

    events, reply = client.send("/service/deliver", data={"say": 2})
    assert reply["successful"], reply
    [event] = events or client.collect(1)
    assert event["channel"] == "/service/answer" and event["data"] == {"say": 2}, event

    events, reply = client.send("/service/silent", data=3)
    assert reply["successful"] and not events, (events, reply)


def end_sessions(server):
    for end in (server.kick, server.expire):
        client = Client(server.port)
        client.handshake()
        client.connect(hold=False)
        server.wait_for("sessions", 1)
        end()
        server.wait_for("sessions", 0)
        _, reply = client.connect()
        assert not reply["successful"] and reply["advice"]["reconnect"] == "handshake", reply


def restart(server):
    port = server.port
    server.kill()
    server.start()
    assert server.port == port
    client = Client(port)
    client.handshake()
    assert server.stats()["handshakes"] == 1


def main(kinds):
    failed = 0
    for kind in kinds or STRANGERS:
        try:
            check(kind)
            print(f"PASS smoke {kind}")
        except Exception:
            traceback.print_exc()
            print(f"FAIL smoke {kind}")
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
