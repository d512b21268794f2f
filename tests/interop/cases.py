"""The cases: what must hold between local processes and any real server.

Each case is a function of a Scene and passes by returning. It publishes a marker
last: every lost, duplicate or misplaced message would be before it.
"""
import base64
import json
import os
import signal
import socket
import sys

from servers import Deadline, HERE, Lines
from wire import Refused, frame

CASES = {}
BOTH = ("websocket", "long-polling")
LARGE = 1_000_000


class NotHere(Exception):
    """The case does not apply to this server, which is not a skip: nothing is left untested."""


def case(**server_options):
    def add(function):
        CASES[function.__name__] = (function, server_options)
        return function
    return add


def data_of(messages):
    return [message.data for message in messages]


def refused(code, action):
    try:
        result = action()
    except Refused as refusal:
        assert refusal.code == code, refusal
        return refusal
    raise AssertionError(f"not refused: {result}")


def same(found, wanted):
    """Equality whose complaint shows where they part, not two walls of text."""
    if found == wanted:
        return
    if isinstance(found, int):
        raise AssertionError(f"{found} instead of {wanted}")
    if isinstance(found, dict):
        found, wanted = sorted(found.items(), key=str), sorted(wanted.items(), key=str)
    at = next((i for i, pair in enumerate(zip(found, wanted)) if pair[0] != pair[1]),
              min(len(found), len(wanted)))
    raise AssertionError(f"{len(found)} found, {len(wanted)} wanted, different from {at}: "
                         f"{str(found[at:at + 3])[:300]} instead of {str(wanted[at:at + 3])[:300]}")


def same_order(s, heard, wanted):
    """CometD Java itself mixes up a WebSocket's events while several batches are under way (any client
    sees it), so there each is only counted."""
    mixed = (s.server.kind, s.transport) == ("cometd-java", "websocket")
    same(sorted(heard) if mixed else heard, wanted)


def nothing_more(s, peer, channel):
    """All that was published has been taken: what is published now comes first."""
    for number in range(2):
        s.server.publish(channel, f'"nothing more {number}"')
        same(data_of(peer.take(1)), [f"nothing more {number}"])


# ---- the plain conversation ----

@case()
def order(s):
    """Two channels and a service: exact messages in exact order."""
    peer = s.peer()
    peer.subscribe("/t/one", "/t/two")
    channels = [("/t/one", "/t/two")[n % 3 % 2] for n in range(30)]
    for n, channel in enumerate(channels):
        peer.publish(channel, {"n": n})
    peer.publish("/service/silent", {"say": "nothing"})
    peer.publish("/t/two", "end")
    mine = peer.take_until("end")
    for n, channel in enumerate(channels):
        s.server.publish(channel, json.dumps({"n": n}))
    s.server.publish("/t/two", '"end"')
    theirs = peer.take_until("end")
    for found in (mine, theirs):
        same([(m.channel, m.data["n"]) for m in found], list(zip(channels, range(30))))
    same([m.seq for m in mine + theirs], [*range(1, 31), *range(32, 62)])
    stats = s.server.stats()
    assert stats["handshakes"] == 1 and stats["publishes"] == 32, stats
    same(stats["subscribes"], {"/t/one": 1, "/t/two": 1})


@case()
def crossing(s):
    """Both ways at once, nothing lost or doubled. Over long-polling a server may send some with the held
    connect and some with the answers, two connections with no order between them: so none is asked for."""
    peer = s.peer()
    peer.subscribe("/cross")
    requests = []
    for n in range(200):
        requests.append(peer.post("publish", channel="/cross", data=f"up {n}"))
        s.server.publish("/cross", f'"down {n}"')
    for request in requests:
        peer.reply(request)
    same(sorted(data_of(peer.take(400))), sorted(f"{way} {n}" for n in range(200) for way in ("up", "down")))
    nothing_more(s, peer, "/cross")


@case()
def twenty(s):
    """20 processes: one handshake, one subscribe a channel; each gets each message once; 19 are killed."""
    channels = ["/t/one", "/t/two"]
    subscribers = [s.process([sys.executable, os.path.join(HERE, "subscriber.py"), s.bridge.path, *channels])
               for _ in range(20)]
    lines = [Lines(subscriber.stdout.fileno()) for subscriber in subscribers]
    for each in lines:
        assert each.next(Deadline(20)) == b"ready"
    publisher = s.peer("publisher")
    wanted = []
    for n in range(10):
        for channel in channels:
            publisher.publish(channel, {"n": n})
            wanted.append(f'{channel}\t{{"n": {n}}}'.encode())
    s.server.publish(channels[0], '"end"')
    wanted.append(b'/t/one\t"end"')
    for each in lines:
        same([each.next(Deadline(20)) for _ in wanted], wanted)
    stats = s.server.stats()
    assert stats["handshakes"] == 1 and stats["sessions"] == 1, stats
    same(stats["subscribes"], {"/t/one": 1, "/t/two": 1})

    for subscriber in subscribers[1:]:
        subscriber.kill()
        subscriber.wait()
    publisher.publish("/t/two", "you alone")
    assert lines[0].next(Deadline(20)) == b'/t/two\t"you alone"'
    stats = s.server.stats()
    assert stats["handshakes"] == 1 and not stats["unsubscribes"], stats
    assert not publisher.events["state"], publisher.events["state"]
    subscribers[0].kill()
    s.server.wait_for("unsubscribes", 2)
    same(s.server.stats()["unsubscribes"], {"/t/one": 1, "/t/two": 1})


@case()
def overlap(s):
    """Patterns that cover each other: every process gets one copy of what any of its own matches."""
    peers = {}
    for name, patterns in {
            "all": ["/o/a", "/o/*", "/o/**", "/o/a/b"], "deep": ["/o/**"], "flat": ["/o/*"],
            "exact": ["/o/a/b"], "other": ["/other"]}.items():
        peers[name] = s.peer(name)
        peers[name].subscribe(*patterns, "/end")
    publisher = s.peer("publisher")
    for n, channel in enumerate(["/o/a", "/o/a/b", "/o/z", "/o/z/y/x", "/other", "/o/a"]):
        publisher.publish(channel, n)
    publisher.publish("/end", "end")
    found = {name: data_of(peer.take_until("end")) for name, peer in peers.items()}
    same(found, {"all": [0, 1, 2, 3, 5], "deep": [0, 1, 2, 3, 5], "flat": [0, 2, 5], "exact": [1],
                 "other": [4]})

    # the peer whose pattern covered the others disconnects; they must still receive
    peers["all"].close()
    peers["deep"].request("unsubscribe", channel="/o/**")
    for n, channel in enumerate(["/o/a", "/o/a/b", "/o/z/y/x"]):
        publisher.publish(channel, n)
    publisher.publish("/end", "end2")
    same({name: data_of(peers[name].take_until("end2")) for name in ("deep", "flat", "exact")},
         {"deep": [], "flat": [0], "exact": [1]})


@case(upstream={"subscribe": ["/k/one", "/j/**"], "linger": "1h"})
def kept(s):
    """Channels without a process: those of the configuration, and one whose process left and returns."""
    s.server.wait_for("subscribes", 2)
    first = s.peer("first")
    first.subscribe("/k/one", "/left")
    first.close()
    second = s.peer("second")
    second.subscribe("/left", "/j/two")
    s.server.publish("/left", '"left"')
    s.server.publish("/j/two", '"two"')
    same(sorted(data_of(second.take(2))), ["left", "two"])
    stats = s.server.stats()
    assert stats["subscribes"]["/left"] == stats["subscribes"]["/k/one"] == 1 and not stats["unsubscribes"], stats
    second.request("unsubscribe", channel="/left")
    s.server.wait_for("unsubscribes", 1)


@case()
def call(s):
    """A service answers its caller alone; plain deliveries reach who listens; silence times out."""
    caller, other, listener = s.peer("caller"), s.peer("other"), s.peer("listener")
    listener.subscribe("/service/echo", "/service/answer", upstream=False)
    requests = [(peer, peer.post("call", channel="/service/echo", data={"who": who, "n": n}))
                for n in range(5) for who, peer in (("caller", caller), ("other", other))]
    for i, (peer, request) in enumerate(requests):
        answer = s.answer(peer.reply(request))
        same(answer["data"], {"who": ("caller", "other")[i % 2], "n": i // 2})
    refused("timeout", lambda: caller.request("call", channel="/service/silent", data=1, timeout=700))
    caller.publish("/service/deliver", "end")
    same(listener.take_until("end"), [])
    assert not caller.messages and not other.messages
    assert s.server.stats()["subscribes"] == {}


@case(only=("faye", "cometd-nodejs"))
def token(s):
    """A reply with data is the publisher's alone, and no message for those who subscribed."""
    publisher, subscriber = s.peer("publisher"), s.peer("subscriber")
    subscriber.subscribe("/token")
    for n in range(3):
        result = publisher.publish("/token", n)
        same(result["bayeux"]["data"], {"userToken": "t1"})
        assert result["bayeux"]["successful"] is True, result
    same(data_of(subscriber.take(3)), [0, 1, 2])
    nothing_more(s, subscriber, "/token")
    assert not publisher.messages


@case()
def remote_call(s):
    """Remote calls: results and failures, in any order; one that arrives too late is dropped."""
    if s.server.kind != "cometd-java":
        raise NotHere("its services do not fail, and are never late")
    caller, other, listener = s.peer("caller"), s.peer("other"), s.peer("listener")
    listener.subscribe("/service/echo", "/service/late", upstream=False)
    same(s.answer(caller.request("call", channel="/service/echo", data={"q": 1}))["data"], {"q": 1})
    try:
        caller.request("call", channel="/service/fail", data={"why": "no"})
        raise AssertionError("a failure was taken for a result")
    except Refused as refusal:
        assert refusal.code == "refused", refusal
    slow = caller.post("call", channel="/service/late", data=1500)
    quick = other.post("call", channel="/service/late", data=300)
    same(s.answer(other.reply(quick))["data"], 300)
    same(s.answer(caller.reply(slow))["data"], 1500)
    # late enough for a machine that stalls before it notices the deadline
    refused("timeout", lambda: caller.request("call", channel="/service/late", data=5000, timeout=300))
    same(s.answer(other.request("call", channel="/service/late", data=5000))["data"], 5000)
    caller.publish("/service/deliver", "x")
    same(s.answer(caller.request("call", channel="/service/echo", data="end"))["data"], "end")
    assert not caller.messages and not other.messages and not listener.messages
    server = caller.request("status")["servers"][0]
    assert server["late_answers"] == 1, server


SCRIPTS = [
    "Grüße, Ünïcödé", "Ελληνικά", "Русский", "Հայերեն", "עברית", "العربية", "हिन्दी", "বাংলা", "தமிழ்",
    "ไทย", "ქართული", "አማርኛ", "中文", "日本語", "한국어", "ᏣᎳᎩ", "𐍈𝒳😀👩‍👩‍👧", "e\u0301", "\u202eabc\u202c",
    "\ufeff", "\u2028\u2029", "\U0010ffff", "\u0001\u001f\u007f\"\\/\b\f\n\r\t",
]
VALUES = [
    None, 0, "", False, True, [], {}, [None], {"": ""}, -1, 1.5, 1e300, 9007199254740991,
    -9007199254740991, {"advice": {"reconnect": "none"}}, {"successful": False}, [{"channel": "/meta/x"}],
]
# JavaScript has no whole 64-bit numbers: a server in Node rounds them before we see them
LONGS = [9223372036854775807, -9223372036854775808, 9007199254740993, {"id": 4611686018427387905}]
# and CometD Java answers an array within an array with HTTP 400
NESTED = [[[]], [[1], [2, [3]]], {"a": [[]]}]


@case()
def texts(s):
    """Every script, empty and null data, whole 64-bit numbers; up by us and down by the server."""
    values = SCRIPTS + VALUES + (LONGS if s.server.kind == "cometd-java" else NESTED)
    peer = s.peer()
    peer.subscribe("/text")
    for value in values:
        peer.publish("/text", value)
    peer.publish("/text", "end")
    same([json.dumps(d) for d in data_of(peer.take_until("end"))], [json.dumps(v) for v in values])
    for value in values:
        s.server.publish("/text", json.dumps(value))
        s.server.publish("/text", json.dumps(value, ensure_ascii=False))
    s.server.publish("/text", '"end"')
    found = peer.take_until("end")
    same([json.dumps(d) for d in data_of(found)], [json.dumps(v) for v in values for _ in "12"])
    assert all("data" in m.bayeux and "clientId" not in m.bayeux for m in found)


@case(max_message_size=4 << 20)
def large(s):
    """Messages of a megabyte, both ways, between small ones; some wait while we publish the next."""
    peer = s.peer()
    peer.subscribe("/large")
    wanted = ["small", "ü" * (LARGE // 2), "x" * LARGE, "after"]
    for text in wanted:
        peer.publish("/large", text)
        s.server.publish("/large", json.dumps(text))
    same(sorted(data_of(peer.take(8, 30))), sorted(wanted * 2))
    nothing_more(s, peer, "/large")


@case(only=("cometd-java",), max_message_size=1500, upstream={"backoff": "50ms 200ms"})
def narrow(s):
    """The server accepts only much smaller batches and closes with 1009: only requests before the first
    one that was too large are uncertain, the limit is found once, and nothing happens twice."""
    if s.transport != "websocket":
        raise NotHere("over long-polling it does not say that a batch is too large")
    peers = [s.peer(f"peer{n}") for n in range(20)]
    peers[0].subscribe("/narrow")
    outcomes = [], []
    for part in outcomes:
        posted = [(peer, peer.post("publish", channel="/narrow", data=f"{id(part)} {n} {i} {'x' * 40}"))
                  for n in range(20) for i, peer in enumerate(peers)]
        for peer, request in posted:
            try:
                peer.reply(request)
                part.append("ok")
            except Refused as refusal:
                part.append(refusal.code)
    assert set(outcomes[0]) <= {"ok", "unknown-outcome"}, set(outcomes[0])
    assert outcomes[0].count("ok") > 200, outcomes[0].count("ok")
    same(outcomes[1], ["ok"] * 400)
    s.server.publish("/narrow", '"end"')
    heard = data_of(peers[0].take_until("end"))
    assert len(heard) == len(set(heard)), "a publish was heard twice"
    stats = s.server.stats()
    same((stats["handshakes"], stats["subscribes"]), (1, {"/narrow": 1}))
    s.say(f"{outcomes[0].count('unknown-outcome')} of 800 unknown")


@case(only=("cometd-java",), chaos=True, upstream={"websocket-compression": "yes"})
def compressed(s):
    """The same texts, a fraction of the bytes, as counted by a proxy that passes everything."""
    if s.transport != "websocket":
        raise NotHere("only a WebSocket is compressed")
    peer = s.peer()
    peer.subscribe("/packed")
    wanted = [{"n": n, "text": "ü repeats itself " * 300} for n in range(40)]
    for value in wanted:
        peer.publish("/packed", value)
        s.server.publish("/packed", json.dumps(value))
    found = sorted(data_of(peer.take(2 * len(wanted), 30)), key=lambda value: value["n"])
    same(found, [value for value in wanted for _ in "12"])
    carried = sum(link.carried for link in s.proxy.links)
    plain = 3 * sum(len(json.dumps(value, ensure_ascii=False).encode()) for value in wanted)
    assert carried < plain / 10, (carried, plain)
    nothing_more(s, peer, "/packed")


@case(only=("cometd-java",), chaos=True, transports=["websocket"],
      upstream={"websocket-compression": "yes", "max-message": "64K"})
def inflates(s):
    """Kilobytes that inflate to megabytes: each message is left out and reported, the others arrive, and the
    daemon needs memory for none of them."""
    def peak():
        with open(f"/proc/{s.bridge.process.pid}/status", encoding="ascii") as file:
            return int(next(line for line in file if line.startswith("VmHWM")).split()[1])
    peer = s.peer()
    peer.subscribe("/packed")
    peer.publish("/packed", 0)
    same(data_of(peer.take(1)), [0])
    before, size = peak(), 2_000_000
    for n in range(1, 9):
        s.server.publish("/packed", json.dumps("x" * size))
        s.server.publish("/packed", str(n))
        same(data_of(peer.take(1)), [n])
        peer.request("ping")
    lost = peer.events["lost"]
    same([(event["code"], event["channel"], event["count"]) for event in lost], [("too-large", "/packed", 1)] * 8)
    assert sum(link.carried for link in s.proxy.links) < size, "it was not compressed"
    assert peak() < before + 8192, (before, peak())
    assert peer.states["real"]["generation"] == 1, peer.states


@case()
def too_large(s):
    """What the server does not take fails alone: the others' publishes go on."""
    if (s.server.kind, s.transport) != ("cometd-java", "websocket"):
        raise NotHere("it takes any size")
    fails_alone(s, "x" * LARGE, ("too-large", "refused", "unknown-outcome"))


@case()
def unreadable(s):
    """What breaks the server's parser fails alone, though it may have travelled with others."""
    if (s.server.kind, s.transport) != ("cometd-java", "long-polling"):
        raise NotHere("it reads any JSON")
    fails_alone(s, NESTED[1], ("refused", "unknown-outcome"))


def fails_alone(s, data, codes):
    peer, other = s.peer(), s.peer("other")
    other.subscribe("/alone")
    try:
        peer.publish("/alone", data)
        raise AssertionError("the server took it")
    except Refused as refusal:
        assert refusal.code in codes, refusal
    for n in range(3):
        s.connected(other)
        other.publish("/alone", n, timeout=20000)
    other.publish("/alone", "end")
    same(data_of(other.take_until("end", 20)), [0, 1, 2])


@case()
def burst(s):
    """10,000 messages in one go: nothing lost, nothing doubled, byte for byte, to three peers."""
    peers = [s.peer(f"peer{n}") for n in range(3)]
    for peer in peers:
        peer.subscribe("/burst")
    s.server.burst("/burst", 10_000)
    s.server.publish("/burst", '"end"')
    for peer in peers:
        found = peer.take_until("end", 60)
        same([m.data["n"] for m in found], list(range(10_000)))
        assert all(f'"data":{{"n":{n}}}' in m.raw for n, m in enumerate(found))
        assert not peer.events["lost"], peer.events["lost"]


@case()
def burst_up(s):
    """3,000 publishes without waiting for the answers: each answered once and received once, in order."""
    peer, publisher = s.peer(), s.peer("publisher")
    peer.subscribe("/burst")
    for begin in range(0, 3000, 500):
        requests = [publisher.post("publish", channel="/burst", data=n) for n in range(begin, begin + 500)]
        for request in requests:
            publisher.reply(request, 30)
    same_order(s, data_of(peer.take(3000, 30)), list(range(3000)))
    nothing_more(s, peer, "/burst")
    assert s.server.stats()["publishes"] == 3000


# ---- what goes wrong ----

def broken_off(s, peer, end, seconds):
    """Ends the session by end(); returns once there is a new one, which subscribed again."""
    generation = peer.states["real"]["generation"]
    subscribed = sum(s.server.stats()["subscribes"].values())
    end()
    state = peer.wait_state(lambda st: st["state"] == "connected" and st["generation"] > generation, seconds)
    assert state["gap"], f"messages may have been missed, and nobody said so: {state}"
    s.server.wait_for("subscribes", subscribed + 2)


def works(peer, s, when):
    """Both channels and both directions, each message once."""
    peer.publish("/t/one", "up " + when, timeout=20000)
    s.server.publish("/t/two", json.dumps("down " + when))
    same(sorted(data_of(peer.take(2))), ["down " + when, "up " + when])
    nothing_more(s, peer, "/t/one")


@case()
def restart(s):
    """The server is stopped and started again, twice; the bridge recovers by itself."""
    peer, late = s.peer(), s.peer("late")
    peer.subscribe("/t/one", "/t/two")
    works(peer, s, "before")
    for n in range(2):
        generation = peer.states["real"]["generation"]
        s.server.kill()
        state = peer.wait_state(lambda st: st["state"] != "connected", 30)
        assert state["reason"], state
        waiting = late.post("publish", channel="/t/one", data=f"waited {n}", timeout=60000)
        s.server.start()
        state = peer.wait_state(
            lambda st: st["state"] == "connected" and st["generation"] > generation, 60)
        assert state["gap"], state
        late.reply(waiting, 30)
        same(data_of(peer.take(1)), [f"waited {n}"])
        works(peer, s, f"after {n}")
        stats = s.server.stats()
        assert stats["handshakes"] == 1, stats
        same(stats["subscribes"], {"/t/one": 1, "/t/two": 1})


def saved(s, peer, channel):
    """Subscribes, and waits until the state directory knows that."""
    peer.subscribe(channel)
    deadline = Deadline(30)
    while not any(f'"{channel}"'.encode() in text for text in s.bridge.kept()):
        assert not deadline.passed(), f"{channel} is not saved"
        peer.request("ping")


@case(only=("cometd-java",), max_interval=60_000, ack=True)
def killed(s):
    """kill -9 in a stream, five times: the session goes on, and the server sends all that was not acknowledged."""
    s.bridge.stop()
    s.bridge.keep_state()
    s.bridge.start()
    made = s.server.stats()["handshakes"]
    peer = s.peer()
    saved(s, peer, "/k")
    # when the next transaction has begun, that one is complete
    saved(s, peer, "/barrier")
    sent = 0
    for _ in range(5):
        for _ in range(50):
            s.server.publish("/k", str(sent))
            sent += 1
        same(data_of(peer.take(50, 30)), list(range(sent - 50, sent)))
        # the next ones are on the way to a process that does not read them any more
        s.bridge.process.send_signal(signal.SIGSTOP)
        first = sent
        for _ in range(50):
            s.server.publish("/k", str(sent))
            sent += 1
        s.bridge.close()
        for _ in range(50):
            s.server.publish("/k", str(sent))
            sent += 1
        s.bridge.start()
        peer = s.bridge.peer()
        s.closing.callback(peer.close)
        peer.subscribe("/k")
        found = data_of(peer.take_until(sent - 1, 30))
        # those that were delivered and not acknowledged come again first
        same([n for n in found if n >= first], list(range(first, sent - 1)))
        assert not s.connected(peer)["gap"], peer.states
    same(s.server.stats()["handshakes"], made + 1)


@case()
def late_start(s):
    """The server comes up after the daemon and after those who subscribe."""
    s.server.kill()
    s.bridge.close()
    s.bridge.start()
    peer = s.bridge.peer()
    s.closing.callback(peer.close)
    peer.subscribe("/t/one", "/t/two")
    s.server.start()
    s.connected(peer)
    s.server.wait_for("subscribes", 2)
    works(peer, s, "late")


@case()
def expire(s):
    """The server expires the session; the bridge makes a new one and reports the gap."""
    peer = s.peer()
    peer.subscribe("/t/one", "/t/two")
    works(peer, s, "before")
    broken_off(s, peer, s.server.expire, 30)
    works(peer, s, "after")


@case()
def kick(s):
    """The server throws the session out."""
    peer = s.peer()
    peer.subscribe("/t/one", "/t/two")
    works(peer, s, "before")
    broken_off(s, peer, s.server.kick, 60)
    works(peer, s, "after")


@case()
def many_channels(s):
    """200 channels are subscribed again after an expiry, each once, and all deliver."""
    peer = s.peer()
    channels = [f"/many/c{n}" for n in range(200)]
    for begin in range(0, 200, 50):
        peer.subscribe(*channels[begin:begin + 50])
    generation = peer.states["real"]["generation"]
    s.server.expire()
    peer.wait_state(lambda st: st["state"] == "connected" and st["generation"] > generation, 30)
    s.server.wait_for("subscribes", 400)
    same(s.server.stats()["subscribes"], {channel: 2 for channel in channels})
    for channel in channels:
        peer.publish(channel, channel)
    peer.publish(channels[0], "end")
    same(data_of(peer.take_until("end")), channels)


@case(network=True)
def silence(s):
    """Packets vanish without a reset; the bridge notices, and works again when they come back."""
    peer = s.peer()
    peer.subscribe("/t/one", "/t/two")
    works(peer, s, "before")
    s.network.cut()
    peer.wait_state(lambda st: st["state"] != "connected", 45)
    request = peer.post("publish", channel="/t/one", data="into the void", timeout=1000)
    try:
        peer.reply(request, 10)
        raise AssertionError("a publish into the void was acknowledged")
    except Refused as refusal:
        assert refusal.code in ("not-sent", "unknown-outcome"), refusal
    s.network.heal()
    s.connected(peer, 60)
    peer.publish("/t/one", "healed", timeout=20000)
    peer.take_until("healed")
    works(peer, s, "after")


# ---- choosing, refusing, ending ----

@case(transports=BOTH)
def negotiation(s):
    """Both transports allowed: the better one that the server has is the one in use."""
    state = s.peer().states["real"]
    best = "long-polling" if s.server.kind == "cometd-nodejs" else "websocket"
    assert state["transport"] == best, state


@case()
def bad_names(s):
    """Names that no channel may have are refused here: one of them makes a server refuse a whole batch."""
    peer, other = s.peer(), s.peer("other")
    other.subscribe("/fine")
    for name in ("", "/", "x", "/a//b", "/a/**/b", "/a/*/c", "/a\u009b", "/a\n", "/" + "x" * 2048):
        refused("bad-channel", lambda name=name: peer.subscribe(name))
        refused("bad-channel", lambda name=name: peer.publish(name, 1))
    for name in ("/meta/subscribe", "/meta/connect", "/fine/*"):
        refused("bad-channel", lambda name=name: peer.publish(name, 1))
    refused("bad-channel", lambda: peer.subscribe("/fine/too", "/not//fine"))
    peer.publish("/fine", "end")
    same(other.take_until("end"), [])
    same(s.server.stats()["subscribes"], {"/fine": 1})
    assert s.server.stats()["publishes"] == 1


@case()
def odd_names(s):
    """Which characters a name may have is the server's business: it refuses those it does not like, alone."""
    odd = ["/room/1:2", "/größe", "/a,b=c&d", "/record/" + "active=true^state!=7," * 19]
    peer, other = s.peer(), s.peer("other")
    requests = [other.post("subscribe", channel="/fine")]
    requests += [peer.post("subscribe", channel=name) for name in odd]
    requests += [other.post("subscribe", channel="/fine/too")]
    taken = []
    for name, request in zip(["/fine", *odd, "/fine/too"], requests):
        try:
            (peer if name in odd else other).reply(request)
            taken.append(name)
        except Refused as refusal:
            assert name in odd and refusal.code == "refused", (name, refusal)
    posts = [other.post("publish", channel="/fine", data=1)]
    posts += [peer.post("publish", channel=name, data=name) for name in odd]
    posts += [other.post("publish", channel="/fine/too", data=2)]
    for name, request in zip(["/fine", *odd, "/fine/too"], posts):
        try:
            (peer if name in odd else other).reply(request)
            assert name in taken or s.server.kind != "cometd-nodejs", name
        except Refused as refusal:
            assert name in odd and refusal.code == "refused", (name, refusal)
    s.say(f"{s.server.kind} accepts {[name[:20] for name in taken if name in odd]}")
    same([m.data for m in other.take(2)], [1, 2])
    same(sorted(m.data for m in peer.take(len(taken) - 2)), sorted(name for name in taken if name in odd))


@case()
def filters(s):
    """A filter is the server's business; who has none for it refuses that one name, and nothing beside it."""
    peer, other = s.peer(), s.peer("other")
    requests = [other.post("subscribe", channel="/fine"), peer.post("subscribe", channel="/fine?a='b c'&d=/*"),
                other.post("subscribe", channel="/fine/too")]
    for request in requests[::2]:
        other.reply(request)
    try:
        peer.reply(requests[1])
        assert s.server.kind == "cometd-nodejs"
    except Refused as refusal:
        assert refusal.code == "refused" and s.server.kind != "cometd-nodejs", refusal
    other.publish("/fine", "end")
    same(other.take_until("end"), [])


@case()
def cometctl(s):
    """The command line, every verb, against the real server."""
    status, _, complaint = s.bridge.run("wait", "--state", "connected", "--timeout", "60")
    assert status == 0, complaint
    sub = s.process_of(s.bridge.cometctl("sub", "/t/*", "-n", "3", "--timeout", "60"))
    s.server.wait_for("subscribes", 1)
    for text in ('{"n":1}', '"zwei"', "null"):
        status, output, complaint = s.bridge.run("pub", "/t/x", text)
        assert (status, output) == (0, ""), (status, output, complaint)
    output, complaint = sub.communicate(timeout=20)
    same(output.decode(), '/t/x\t{"n":1}\n/t/x\t"zwei"\n/t/x\tnull\n')
    assert sub.returncode == 0, complaint

    sub = s.process_of(s.bridge.cometctl("--json", "sub", "/u", "-n", "200", "--timeout", "60"))
    s.server.wait_for("subscribes", 2)
    status, _, complaint = s.bridge.run("pub", "/u", "-", text="".join(f"{n}\n" for n in range(200)))
    assert status == 0, complaint
    output, complaint = sub.communicate(timeout=20)
    events = [json.loads(line) for line in output.splitlines()]
    same_order(s, [e["message"]["data"] for e in events if e["op"] == "message"], list(range(200)))

    status, output, complaint = s.bridge.run("call", "/service/echo", '{"q":"who"}', "--timeout", "60")
    assert status == 0, complaint
    same(json.loads(output), {"q": "who"})
    status, output, complaint = s.bridge.run("--json", "status")
    assert status == 0, complaint
    assert json.loads(output), output
    assert s.server.stats()["handshakes"] == 1

    assert s.bridge.run("pub")[0] == 2
    assert s.bridge.run("pub", "no/slash", "1")[0] != 0
    assert s.bridge.run("call", "/service/silent", "1", "--timeout", "3")[0] == 6
    assert s.bridge.run("--socket", s.bridge.path + ".not", "pub", "/t/x", "1")[0] == 3


@case()
def churn(s):
    """10,000 connections come and go in every rude way; not one descriptor is left of them."""
    peer = s.peer()
    peer.subscribe("/t/one", "/t/two")
    works(peer, s, "before")
    before = s.bridge.descriptors()
    hello = frame({"op": "hello", "id": 1, "version": 1})
    subscribe = frame({"op": "subscribe", "id": 2, "channel": "/t/one"})
    rude = [b"", hello[:7], hello, hello + subscribe, b"\0\0\0\0", b"\xff\xff\xff\xff", hello + hello]
    for n in range(10_000):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(s.bridge.path)
            sock.sendall(rude[n % len(rude)])
    deadline = Deadline(20)
    while s.bridge.descriptors() != before:
        assert not deadline.passed(), f"{before} descriptors became {s.bridge.descriptors()}"
        peer.request("ping")
    works(peer, s, "after")
    same(s.server.stats()["subscribes"], {"/t/one": 1, "/t/two": 1})


@case()
def goodbye(s):
    """SIGTERM: the peers get `closing`, and the server a disconnect."""
    peer = s.peer()
    peer.subscribe("/t/one")
    same(s.bridge.stop(), 0)
    closing = peer.wait_closed()
    assert closing and closing["code"] == "shutdown", closing
    s.server.wait_for("disconnects", 1)
    s.server.wait_for("sessions", 0)


@case(bridge={"outbox-max": "1M"})
def slow_reader(s):
    """One process does not read: the others get everything, and it gets a report of what it lost."""
    slow, quick = s.peer("slow"), s.peer("quick")
    for peer in (slow, quick):
        peer.subscribe("/slow")
    text = json.dumps("x" * 2000)
    for _ in range(100):
        for _ in range(60):
            s.server.publish("/slow", text)
        s.server.publish("/slow", '"part"')
        same(len(quick.take_until("part", 60)), 60)
    s.server.publish("/slow", '"end"')
    same(quick.take_until("end"), [])
    heard = slow.take_until("end", 60)
    lost = sum(event["count"] for event in slow.events["lost"])
    same(len(heard) + lost, 6100)
    assert lost > 0, "it was not too slow"
    assert not quick.events["lost"]


# ---- extensions ----

@case(only=("cometd-java",), timesync=True, upstream={"timesync": "yes"})
def timesync(s):
    """The server's clock is this machine's: the bridge finds that it is, to within a machine's haste."""
    s.peer()
    s.server.wait_for("connects", 4)
    status, output, complaint = s.bridge.run("--json", "status")
    assert status == 0, complaint
    found = json.loads(output)["servers"][0]["timesync"]
    assert found["samples"] >= 2 and abs(found["offset"]) <= 10000 and 0 <= found["lag"] <= 10000, found


@case(only=("cometd-java",), activity=5000, upstream={"keep-alive": "300ms"})
def keep_alive(s):
    """A server that throws quiet sessions out keeps one whose peers only listen."""
    peer = s.peer()
    peer.subscribe("/t/one")
    s.server.wait_for("publishes", 20)      # for longer than it keeps an inactive one
    s.server.publish("/t/one", '"still here"')
    same(data_of(peer.take(1)), ["still here"])
    assert not peer.events["state"], peer.events["state"]
    assert s.server.stats()["handshakes"] == 1


@case(only=("cometd-java",), activity=500)
def quiet(s):
    """The same server without keep-alive messages: the session is ended, and made again."""
    peer = s.peer()
    peer.subscribe("/t/one", "/t/two")
    s.server.wait_for("handshakes", 2)
    s.connected(peer)
    s.server.wait_for("subscribes", 4)
    # again and again: this one is thrown out as soon
    deadline = Deadline(60)
    while not peer.messages:
        assert not deadline.passed(), "what the new session was told is not heard"
        s.server.publish("/t/one", '"again"')
        peer.request("ping")
    same(data_of(peer.take(1)), ["again"])


# ---- URLs ----

def life_at(s, allowed):
    """Every operation once, some of them together; each came to one of its paths, and to all of them."""
    peer = s.peer()
    peer.subscribe("/t/one")
    peer.subscribe("/t/two")
    peer.publish("/t/one", "alone")
    requests = [peer.post("subscribe", channel="/t/three")]
    requests += [peer.post("publish", channel="/t/one", data=n) for n in range(10)]
    requests += [peer.post("unsubscribe", channel="/t/two")]
    requests += [peer.post("publish", channel="/t/one", data="end")]
    for request in requests:
        peer.reply(request)
    same(data_of(peer.take_until("end")), ["alone", *range(10)])
    # the reply to an unsubscribe does not wait for the server, and a session that ends needs none
    s.server.wait_for("unsubscribes", 1)
    same(s.bridge.stop(), 0)
    s.server.wait_for("disconnects", 1)
    stats = s.server.stats()
    same(stats["handshakes"], 1)
    if s.transport == "websocket":
        allowed = {"/cometd"}
        found = {place.split()[1] for place in stats["paths"]}
    else:
        found = set(stats["paths"])
    assert found <= allowed, found - allowed
    return found


@case(only=("cometd-java",), upstream={"url-append-type": "java"})
def appended_java(s):
    """The message's type is in the path, as in CometD's own Java client."""
    found = life_at(s, {"handshake /cometd/handshake", "connect /cometd/connect", "disconnect /cometd/disconnect",
                        "subscribe /cometd/subscribe", "subscribe /cometd", "unsubscribe /cometd/unsubscribe",
                        "unsubscribe /cometd", "publish /cometd"})
    if s.transport != "websocket":
        assert {"handshake /cometd/handshake", "subscribe /cometd/subscribe", "publish /cometd"} <= found, found


@case(only=("cometd-java",), upstream={"url-append-type": "js"})
def appended_js(s):
    """The same as in the JavaScript client."""
    found = life_at(s, {"handshake /cometd/handshake", "connect /cometd/connect", "disconnect /cometd/disconnect",
                        "subscribe /cometd/", "unsubscribe /cometd/", "publish /cometd/"})
    if s.transport != "websocket":
        same(len(found), 6)


@case(only=("cometd-java",), upstream={"url-for": [f"{name} at/{name}" for name in (
    "handshake", "connect", "subscribe", "publish", "disconnect")]})
def operations(s):
    """Each operation has a path of its own, and no request holds two kinds."""
    found = life_at(s, {"handshake /cometd/at/handshake", "connect /cometd/at/connect",
                        "disconnect /cometd/at/disconnect", "subscribe /cometd/at/subscribe",
                        "unsubscribe /cometd/at/subscribe", "publish /cometd/at/publish"})
    if s.transport != "websocket":
        same(len(found), 6)


@case(only=("cometd-java",), binary=True, upstream={"binary": "yes"})
def binary(s):
    """Bytes through CometD's own extension, which decodes and encodes them, of every length."""
    peer = s.peer()
    peer.subscribe("/bytes")
    for length in (*range(10), 255, 4096, 30000):
        payload = bytes((n * 167 + length) % 256 for n in range(length))
        text = base64.b64encode(payload).decode()
        wish = {"data": text, "last": length % 2 == 0, "meta": {"length": length}}
        peer.request("publish", channel="/bytes", binary=wish)
        message = peer.take(1)[0]
        same(message.binary, wish)
        same(message.data["last"], wish["last"])
    peer.publish("/bytes", "end")
    end = peer.take(1)[0]
    assert end.data == "end" and end.binary is None, end
