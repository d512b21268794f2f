#!/usr/bin/env python3
"""wire.py against a daemon of strings: what it takes for a message, it must have got right."""
import json
import socket
import struct
import threading
import unittest

from wire import Closed, Frames, Peer, Refused, frame

HELLO = {"op": "reply", "id": 1, "ok": True,
         "result": {"servers": [{"server": "s", "state": "unconnected"}]}}


def message(seq, data):
    return {"op": "message", "server": "s", "seq": seq, "message": {"channel": "/a", "data": data}}


class TestFrames(unittest.TestCase):
    def test_bytes_one_by_one(self):
        frames = Frames()
        found = []
        for byte in frame({"a": 1}) + frame({"b": "\u2603"}):
            frames.feed(bytes([byte]))
            while (body := frames.next()) is not None:
                found.append(json.loads(body))
        self.assertEqual(found, [{"a": 1}, {"b": "\u2603"}])

    def test_several_at_once(self):
        frames = Frames()
        frames.feed(frame({"a": 1}) + frame({"a": 2}) + b"\0")
        self.assertEqual([frames.next(), frames.next(), frames.next()], [b'{"a":1}', b'{"a":2}', None])

    def test_impossible_lengths(self):
        for length in (0, (16 << 20) + 1, 0xffffffff):
            frames = Frames()
            frames.feed(struct.pack(">I", length))
            with self.assertRaises(ValueError):
                frames.next()


class TestPeer(unittest.TestCase):
    def peer(self, *answers):
        """A peer of a daemon that has already sent everything."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        theirs.sendall(b"".join(frame(a) for a in (HELLO,) + answers))
        self.theirs = theirs
        return Peer(None, sock=ours)

    def test_hello_is_first_and_brings_states(self):
        peer = self.peer()
        frames = Frames()
        frames.feed(self.theirs.recv(4096))
        self.assertEqual(json.loads(frames.next()),
                         {"op": "hello", "id": 1, "version": 1, "name": "interop"})
        self.assertEqual(peer.states["s"]["state"], "unconnected")

    def test_events_wait_in_their_queues(self):
        peer = self.peer(message(1, 0), {"op": "lost", "server": "s", "count": 3}, message(5, None),
                         {"op": "reply", "id": 2, "ok": True})
        self.assertIsNone(peer.request("ping"))
        self.assertEqual([(m.seq, m.data) for m in peer.take(2)], [(1, 0), (5, None)])
        self.assertEqual(peer.events["lost"][0]["count"], 3)

    def test_raw_text_is_kept(self):
        peer = self.peer(message(1, {"n": 18446744073709551615}))
        [found] = peer.take(1)
        self.assertIn('"data":{"n":18446744073709551615}', found.raw)

    def test_refusal(self):
        peer = self.peer({"op": "reply", "id": 2, "ok": False,
                          "error": {"code": "refused", "message": "no", "bayeux": {"x": 1}}})
        with self.assertRaises(Refused) as caught:
            peer.publish("/a", 1)
        self.assertEqual((caught.exception.code, caught.exception.bayeux), ("refused", {"x": 1}))

    def test_replies_out_of_order(self):
        peer = self.peer({"op": "reply", "id": 3, "ok": True, "result": {"r": 3}},
                         {"op": "reply", "id": 2, "ok": True, "result": {"r": 2}})
        first, second = peer.post("ping"), peer.post("ping")
        self.assertEqual([peer.reply(first), peer.reply(second)], [{"r": 2}, {"r": 3}])

    def test_second_reply_is_noticed(self):
        with self.assertRaises(AssertionError):
            peer = self.peer(*[{"op": "reply", "id": 2, "ok": True}] * 2)
            peer.request("ping")
            peer.wait_closed(0.01)

    def test_state_events(self):
        peer = self.peer({"op": "state", "server": "s", "state": "connected", "gap": False})
        self.assertFalse(peer.wait_state("connected")["gap"])

    def test_take_until(self):
        peer = self.peer(message(1, "a"), message(2, "b"), message(3, "end"), message(4, "c"))
        self.assertEqual([m.data for m in peer.take_until("end")], ["a", "b"])
        self.assertEqual(peer.take(1)[0].data, "c")

    def test_deadlines(self):
        peer = self.peer(message(1, "a"))
        for wait in (lambda: peer.take(2, 0.01), lambda: peer.reply(9, 0.01),
                     lambda: peer.wait_state("connected", 0.01), lambda: peer.wait_closed(0.01),
                     lambda: peer.take_until("end", 0.01)):
            with self.assertRaises(TimeoutError):
                wait()

    def test_closing(self):
        peer = self.peer({"op": "closing", "code": "shutdown", "reason": "bye"})
        self.theirs.shutdown(socket.SHUT_WR)
        self.assertEqual(peer.wait_closed()["code"], "shutdown")
        with self.assertRaises(Closed):
            peer.take(1)

    def test_cut_in_the_middle_of_a_frame(self):
        peer = self.peer()
        self.theirs.sendall(frame(message(1, "x"))[:-1])
        self.theirs.shutdown(socket.SHUT_WR)
        self.assertIsNone(peer.wait_closed())
        self.assertFalse(peer.messages)

    def test_both_write_more_than_the_socket_holds(self):
        peer = self.peer()
        large = message(1, "y" * 3_000_000)
        sender = threading.Thread(target=self.theirs.sendall, args=(frame(large),))
        sender.start()
        received = []

        def drain():
            while sum(map(len, received)) < 2_000_000:
                received.append(self.theirs.recv(1 << 16))

        reader = threading.Thread(target=drain)
        sender.join(0.2)
        self.assertTrue(sender.is_alive())
        reader.start()
        peer.post("publish", channel="/a", data="z" * 2_000_000)
        self.assertEqual(len(peer.take(1)[0].data), 3_000_000)
        sender.join()
        reader.join()


if __name__ == "__main__":
    unittest.main()
