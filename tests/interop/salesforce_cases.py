"""What must hold between local processes and a server like Salesforce, without intervention.

A peer that is subscribed the whole time gets every retained event exactly once and in
order, whatever happens to token, session and connections; where the server does not
retain events any more, a gap is reported.
"""
import json
import os
import random
import time

from cases import case, refused, same
from chaos_cases import drain, holes_are_reported, Witness
from servers import Deadline

SECONDS = float(os.environ.get("CHAOS_SECONDS", "25"))
UPSTREAM = {"network-delay": "2s", "backoff": "50ms 500ms", "halt-retry": "200ms"}
ONLY = ("salesforce-like",)
CHANNEL = "/event/Order__e"
FAMILIES = ("/topic/Accounts", "/event/Order__e", "/data/AccountChangeEvent", "/u/notifications/All")


class Subscriber(Witness):
    """A witness of the numbers in the payloads of events."""

    channels = FAMILIES

    def number(self, message):
        data = message["data"]
        return data.get("payload", data.get("sobject"))["n"]


class Org:
    """Publishes numbers on the server, and knows how many."""

    def __init__(self, s):
        self.s = s
        self.counts = dict.fromkeys(FAMILIES, 0)

    def publish(self, count=1, channel=CHANNEL):
        for _ in range(count):
            self.s.server.publish(channel, json.dumps({"n": self.counts[channel]}))
            self.counts[channel] += 1


def subscribers(s, *channels, count=2):
    peers = []
    for n in range(count):
        peer = Subscriber(s.bridge.path, f"subscriber{n}")
        s.closing.callback(peer.close)
        s.connected(peer)
        peer.subscribe(*(channels or [CHANNEL]))
        peers.append(peer)
    return peers


def all_come(org, peers, channels, seconds):
    """As many as were published, and then nothing more."""
    for channel in channels:
        wanted = org.counts[channel]
        for peer in peers:
            peer.read_until(lambda p=peer: len(p.heard(channel)) >= wanted, seconds,
                            lambda p=peer: f"{len(p.heard(channel))} of {wanted} came on {channel}")
    drain(peers, 0.2)


def all_received(org, peers, *channels):
    """Every number once and in order, to each of them."""
    all_come(org, peers, channels or [CHANNEL], 30)
    for channel in channels or [CHANNEL]:
        for peer in peers:
            same(peer.heard(channel), list(range(org.counts[channel])))


def new_session(s, peers, generation, seconds=30):
    for peer in peers:
        peer.wait_state(lambda st: st["state"] == "connected" and st["generation"] > generation, seconds)


@case(only=ONLY, upstream=UPSTREAM)
def families(s):
    """Events of all four families, with 64-bit ids digit by digit and without the session's clientId."""
    org, peers = Org(s), subscribers(s, *FAMILIES)
    for channel in FAMILIES:
        org.publish(5, channel)
    all_received(org, peers, *FAMILIES)
    last = None
    for message in peers[0].messages:
        assert "clientId" not in message.raw and "Salesforce" not in message.raw, message.raw
        number = message.data["event"]["replayId"]
        assert number > 2 ** 53 and f'"replayId": {number}' in message.raw, message.raw
        assert last is None or number > last
        last = number
    stats = s.server.stats()
    same((stats["handshakes"], stats["rejected"]), (1, 0))
    same(stats["subscribes"], dict.fromkeys(FAMILIES, 1))


def token_expires(s, how):
    """The token dies twice; the new one lies there a little later. What was published meanwhile comes."""
    org, peers = Org(s), subscribers(s)
    org.publish(3)
    all_received(org, peers)
    for n in range(2):
        generation = peers[0].states["real"]["generation"]
        s.server.command(f"token {how} second{n}")
        org.publish(3)
        state = peers[0].wait_state(lambda st: st["state"] != "connected", 20)
        org.publish(3)
        if n:
            state = peers[0].wait_state(lambda st: st.get("reason", "").startswith("waiting for credentials"), 20)
        s.token(f"second{n}")
        new_session(s, peers, generation)
        assert peers[0].line[CHANNEL].count("gap"), state
        org.publish(3)
        all_received(org, peers)


@case(only=ONLY, upstream=UPSTREAM)
def token_expires_http(s):
    """The token expires, reported by HTTP 401."""
    token_expires(s, "http")


@case(only=ONLY, upstream=UPSTREAM, credential="command")
def token_expires_error(s):
    """The token expires, reported by the error of a connect and of a handshake; a command fetches the next."""
    token_expires(s, "error")


@case(only=ONLY, upstream=UPSTREAM, credential="header")
def token_expires_sfdc(s):
    """The token expires, reported in ext.sfdc.failureReason; it is sent as OAuth and not as Bearer."""
    token_expires(s, "sfdc")


@case(only=ONLY, upstream=UPSTREAM, credential="oauth")
def token_expires_oauth(s):
    """The token dies and the daemon has the next one issued by itself, again and again."""
    org, peers = Org(s), subscribers(s)
    org.publish(3)
    all_received(org, peers)
    for n, how in enumerate(("http", "error", "sfdc") * 2):
        generation = peers[0].states["real"]["generation"]
        s.server.command(f"token {how} issued{n}")
        org.publish(6)
        new_session(s, peers, generation)
        org.publish(3)
        all_received(org, peers)
    assert s.server.stats()["tokens"] >= 7, s.server.stats()


@case(only=ONLY, upstream=UPSTREAM)
def filters(s):
    """A topic with a filter: matching events arrive, and after a loss those after the last one."""
    topic = "/topic/Accounts"
    peer = Subscriber(s.bridge.path, "filtered")
    s.closing.callback(peer.close)
    s.connected(peer)
    peer.subscribe(f"{topic}?region='Far East'")
    n = 0
    for rounds in range(3):
        for region in ("EMEA", "Far East", "Far East", "EMEA"):
            s.server.publish(topic, json.dumps({"n": n, "region": region}))
            n += 1
        wanted = [4 * k + i for k in range(rounds + 1) for i in (1, 2)]
        peer.read_until(lambda w=wanted: len(peer.heard(topic)) >= len(w), 20, "not all that matches came")
        drain([peer], 0.2)
        same(peer.heard(topic), wanted)
        s.server.expire()
    same(list(s.server.stats()["subscribes"]), [f"{topic}?region='Far East'"])


def session_lost(s, end):
    org, peers = Org(s), subscribers(s, *FAMILIES)
    for n in range(6):
        for channel in FAMILIES:
            org.publish(3, channel)
        # without any event received there is no position to continue from
        if n % 2 == 0:
            all_received(org, peers, *FAMILIES)
        generation = peers[0].states["real"]["generation"]
        end()
        for _ in range(30):
            for channel in FAMILIES:
                org.publish(1, channel)
            drain(peers, 0.01)
        new_session(s, peers, generation)
    all_received(org, peers, *FAMILIES)


@case(only=ONLY, upstream=UPSTREAM)
def session_expires(s):
    """403::Unknown client, again and again in the midst of events: all of them come, once, in order."""
    session_lost(s, s.server.expire)


@case(only=ONLY, upstream=UPSTREAM)
def session_kicked(s):
    """The same with a notice on /meta/disconnect."""
    session_lost(s, s.server.kick)


@case(only=ONLY, upstream=UPSTREAM)
def too_busy(s):
    """503 within ext: the subscribe is repeated until the server has the time; slots taken: the handshake."""
    s.server.command("busy 3")
    org = Org(s)
    peer = Subscriber(s.bridge.path, "subscriber")
    s.closing.callback(peer.close)
    s.connected(peer)
    peer.post("subscribe", channel=CHANNEL)
    s.server.wait_for("subscribes", 1)
    org.publish(5)
    all_received(org, [peer])
    s.server.command("full 2")
    s.server.command("busy 2")
    s.server.expire()
    org.publish(5)
    all_received(org, [peer])


def stale(s):
    """The last event received is not retained any more when the session is back."""
    org, peers = Org(s), subscribers(s)
    org.publish(4)
    all_received(org, peers)
    generation = peers[0].states["real"]["generation"]
    s.server.command("token error second")
    peers[0].wait_state(lambda st: st.get("reason", "").startswith("waiting for credentials"), 20)
    org.publish(6)
    s.server.command("discard 7")
    s.token("second")
    new_session(s, peers, generation)
    s.server.wait_for("subscribes", 2)
    return org, peers


@case(only=ONLY, upstream=UPSTREAM)
def stale_all(s):
    """A stale replay id, fallback all: all retained events arrive, and a gap is reported."""
    org, peers = stale(s)
    s.server.wait_for("subscribes", 3)
    org.publish(2)
    for peer in peers:
        peer.read_until(lambda p=peer: len(p.heard(CHANNEL)) >= 9, 20, "not all that is retained came")
    drain(peers, 0.3)
    for peer in peers:
        same(peer.heard(CHANNEL), [0, 1, 2, 3, 7, 8, 9, 10, 11])
        same(holes_are_reported(peer.line[CHANNEL], org.counts[CHANNEL]), 3)


@case(only=ONLY, upstream=dict(UPSTREAM, **{"replay-fallback": "new"}))
def stale_new(s):
    """Fallback new: new events arrive, and a gap is reported."""
    org, peers = stale(s)
    s.server.wait_for("subscribes", 3)
    org.publish(2)
    for peer in peers:
        peer.read_until(lambda p=peer: len(p.heard(CHANNEL)) >= 6, 20, "nothing new came")
    for peer in peers:
        same(peer.heard(CHANNEL), [0, 1, 2, 3, 10, 11])
        same(holes_are_reported(peer.line[CHANNEL], org.counts[CHANNEL]), 6)


@case(only=ONLY, upstream=dict(UPSTREAM, **{"replay-fallback": "stop"}))
def stale_stop(s):
    """Fallback stop: the channel is refused, and its subscribers get the reason."""
    org, peers = stale(s)
    for peer in peers:
        peer.read_until(lambda p=peer: any(not e["ok"] for e in p.events["subscription"]), 20,
                        lambda p=peer: f"nobody said that it is refused: {p.events['subscription']}")
        same(peer.heard(CHANNEL), [0, 1, 2, 3])
        same(holes_are_reported(peer.line[CHANNEL], org.counts[CHANNEL]), 6)
    same(s.server.stats()["subscribes"][CHANNEL], 2)


@case(only=ONLY, upstream=UPSTREAM, chaos=True)
def storm(s):
    """Everything at random, and a bad network on top: every retained event comes once. When the network
    holds back the answer to the connect, what is in it comes late; otherwise they come in order."""
    channels = FAMILIES
    org, peers = Org(s), subscribers(s, *channels)
    for channel in channels:
        org.publish(1, channel)
    all_received(org, peers, *channels)
    draw = random.Random(s.seed)
    tokens = 0
    done = dict.fromkeys(("expire", "kick", "busy", "token", "full"), 0)
    s.proxy.start((0.05, 1.5))
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for _ in range(draw.choice((0, 1, 1, 2, 5))):
            org.publish(1, draw.choice(channels))
        drain(peers, 0.02)
        if draw.random() < 0.02:
            kind = draw.choice(list(done))
            done[kind] += 1
            if kind == "token":
                tokens += 1
                s.server.command(f"token {draw.choice(('http', 'error', 'sfdc'))} token{tokens}")
                s.token(f"token{tokens}")
            else:
                s.server.command(kind + (f" {draw.randint(1, 3)}" if kind in ("busy", "full") else ""))
    s.proxy.stop()
    all_come(org, peers, channels, 60)
    late = 0
    for channel in channels:
        for peer in peers:
            heard = peer.heard(channel)
            same(sorted(heard), list(range(org.counts[channel])))
            late += sum(heard[n] > heard[n + 1] for n in range(len(heard) - 1))
    assert late * 100 < sum(org.counts.values()) * len(peers), f"{late} late ones are no exception"
    s.say(f"{sum(org.counts.values())} events to each of {len(peers)}; {sum(s.proxy.done.values())} breaks, "
          f"{', '.join(f'{n} {kind}' for kind, n in done.items())}; "
          f"{s.server.stats()['handshakes']} handshakes; 0 lost, 0 doubled, {late} late")
