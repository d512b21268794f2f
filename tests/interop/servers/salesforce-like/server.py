#!/usr/bin/env python3
"""A server that behaves as Salesforce's Streaming API is described to behave.

Written from that description and from nothing else; it shares no line with the
bridge or with its other test servers. Long-polling only, one thread a
connection. Commands come over standard input as ../CONTROL.md has them, and
those beyond it are in the table COMMANDS.

Hostile where the description leaves room: the answer of a subscribe takes the
events that are queued and is then slow to arrive, so that newer events overtake
it on the connect's connection.
"""
import argparse
import base64
import email.utils
import http.server
import json
import random
import socket
import sys
import threading
import time
import urllib.parse
import uuid

HOLD = 110.0                    # seconds a connect is held, before --factor
RECONNECT_WITHIN = 40.0         # and how long the next one may take
FIRST_ID = 2 ** 53 + 1          # beyond what a double holds exactly
STALE = ("400::The replayId {%s} you provided was invalid.  Please provide a valid ID, -2 to replay all "
         "events, or -1 to replay only new events.")
BUSY = "503::Server is too busy. Please try your request again later."


class Session:
    def __init__(self, token):
        self.id = uuid.uuid4().hex + "Salesforce"
        self.token = token
        self.cookies = []               # the values of sfdc-stream that are good, newest last
        self.queue = []
        self.channels = {}              # subscription -> (channel, filter)
        self.connect = None             # number of the connect that is held
        self.advised = False
        self.seen = time.monotonic()

    def rotate(self):
        self.cookies = self.cookies[-1:] + [uuid.uuid4().hex]
        return self.cookies[-1]


class Org:
    """Everything that all connections share, under one lock."""

    def __init__(self, options):
        self.hold = HOLD / options.factor
        self.reconnect_within = RECONNECT_WITHIN / options.factor
        self.random = random.Random(options.seed)
        self.changed = threading.Condition()
        self.sessions = {}
        self.retained = []              # (id, channel, payload, message)
        self.last_id = FIRST_ID
        self.tokens = {options.token}
        self.newest = options.token     # what the token endpoint hands out
        self.rejects_by = "sfdc"
        self.busy = 0
        self.full = 0
        self.connects = 0
        self.counts = dict.fromkeys(("handshakes", "connects", "publishes", "disconnects", "rejected", "tokens"), 0)
        self.subscribes, self.unsubscribes = {}, {}
        self.replays = []               # each (channel, where) that was asked for

    # ---- events ----

    def event(self, channel, payload):
        self.last_id += self.random.randint(1, 9)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        where = {"createdDate": stamp, "replayId": self.last_id}
        if channel.startswith("/topic/"):
            data = {"event": dict(where, type="updated"), "sobject": payload}
        elif channel.startswith("/u/"):
            data = {"event": where, "payload": payload}
        elif channel.startswith("/event/"):
            data = {"schema": "sch3m4", "payload": payload,
                    "event": {"replayId": self.last_id, "EventUuid": str(uuid.uuid4())}}
        else:
            data = {"schema": "sch3m4", "payload": dict(payload, ChangeEventHeader={"changeType": "UPDATE"}),
                    "event": {"replayId": self.last_id}}
        self.retained.append((self.last_id, channel, payload, {"data": data, "channel": channel}))
        for session in self.sessions.values():
            if any(self.matches(each, channel, payload) for each in session.channels.values()):
                self.enqueue(session, self.retained[-1][-1])
        self.changed.notify_all()

    @staticmethod
    def matches(subscription, channel, payload):
        name, wanted = subscription
        return name == channel and all(str(payload.get(key)) == value for key, value in wanted)

    @staticmethod
    def enqueue(session, message):
        session.queue.append(dict(message, clientId=session.id))

    def drain(self, session):
        queue, session.queue = session.queue, []
        return queue

    def reap(self):
        now = time.monotonic()
        for session in list(self.sessions.values()):
            if session.connect is None and now - session.seen > self.reconnect_within:
                del self.sessions[session.id]


class Reply(Exception):
    """An HTTP answer that is no Bayeux."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status, self.text = status, text


def failed(message, error, reconnect=None, reason=None, **more):
    reply = {"channel": message.get("channel"), "successful": False, "error": error, **more}
    if "id" in message:
        reply["id"] = message["id"]
    if "subscription" in message:
        reply["subscription"] = message["subscription"]
    if reconnect:
        reply["advice"] = {"reconnect": reconnect, "interval": 0}
    if reason:
        reply["ext"] = {"sfdc": {"failureReason": reason}}
    return reply


def good(message, session, **more):
    reply = {"clientId": session.id, "channel": message["channel"], "successful": True, **more}
    if "id" in message:
        reply["id"] = message["id"]
    return reply


class Exchange:
    """One POST: messages in, messages and cookies out."""

    def __init__(self, org, headers, abandoned):
        self.org = org
        self.headers = headers
        self.abandoned = abandoned      # whether the client hung up
        self.set_cookies = []
        self.delay = 0

    def answer(self, messages):
        if not isinstance(messages, list) or not messages:
            raise Reply(400, "no messages")
        names = [message.get("channel") for message in messages]
        if "/meta/handshake" in names and len(names) > 1:
            raise Reply(400, "a handshake travels alone")
        with self.org.changed:
            self.org.reap()
            out = []
            for message in messages:
                out += self.one(message)
            return out

    # ---- who asks ----

    def token(self):
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return token if scheme in ("OAuth", "Bearer") else ""

    def refuse_token(self, message):
        self.org.counts["rejected"] += 1
        if not self.token():
            return failed(message, "401::Request requires authentication", "none")
        if self.org.rejects_by == "http":
            raise Reply(401, json.dumps([{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]))
        if message["channel"] == "/meta/handshake" and self.org.rejects_by == "sfdc":
            return failed(message, "403::Handshake denied", "none", "401::Authentication invalid")
        return failed(message, "401::Authentication invalid", "none")

    def cookies(self):
        pairs = (part.strip().partition("=") for part in self.headers.get("Cookie", "").split(";"))
        return {name: value for name, _, value in pairs}

    def set_cookie(self, name, value):
        # the date as it is seen in the wild: with hyphens, which no RFC has
        expires = time.strftime("%a, %d-%b-%Y %H:%M:%S GMT", time.gmtime(time.time() + 10800))
        self.set_cookies.append(f"{name}={value};Path=/;Expires={expires};Max-Age=10800;HttpOnly")

    def one(self, message):
        channel = message.get("channel")
        if self.token() not in self.org.tokens:
            for session in list(self.org.sessions.values()):
                if session.id == message.get("clientId"):
                    del self.org.sessions[session.id]
            return [self.refuse_token(message)]
        if channel == "/meta/handshake":
            return [self.handshake(message)]
        session = self.org.sessions.get(message.get("clientId"))
        if not session:
            return [failed(message, "403::Unknown client", "handshake")]
        cookies = self.cookies()
        if cookies.get("BAYEUX_BROWSER") != session.id[:16] or cookies.get("sfdc-stream") not in session.cookies:
            return [failed(message, f"400::Client {session.id} has established a session, but no sfdc-stream "
                           "cookie present", "none")]
        session.seen = time.monotonic()
        if channel == "/meta/connect":
            return self.connect(message, session)
        if channel == "/meta/subscribe":
            return self.subscribe(message, session)
        if channel == "/meta/unsubscribe":
            name = message.get("subscription")
            session.channels.pop(name, None)
            self.org.unsubscribes[name] = self.org.unsubscribes.get(name, 0) + 1
            return [good(message, session, subscription=name)]
        if channel == "/meta/disconnect":
            self.org.counts["disconnects"] += 1
            self.org.sessions.pop(session.id, None)
            self.org.changed.notify_all()
            return [good(message, session)]
        self.org.counts["publishes"] += 1
        return [failed(message, "403:denied_by_security_policy:publish_denied")]

    # ---- meta ----

    def handshake(self, message):
        self.org.counts["handshakes"] += 1
        if self.org.full:
            self.org.full -= 1
            return failed(message, "403::Handshake denied", "none",
                          "403::Organization concurrent user limit exceeded")
        if "long-polling" not in message.get("supportedConnectionTypes", []):
            return failed(message, "400::Invalid connection type", "none")
        session = Session(self.token())
        self.org.sessions[session.id] = session
        self.set_cookie("BAYEUX_BROWSER", session.id[:16])
        self.set_cookie("sfdc-stream", session.rotate())
        reply = good(message, session, version="1.0", minimumVersion="1.0",
                     supportedConnectionTypes=["long-polling"])
        if message.get("ext", {}).get("replay") is True:
            reply["ext"] = {"replay": True, "payload.format": True}
        return reply

    def connect(self, message, session):
        org = self.org
        org.counts["connects"] += 1
        org.connects += 1
        session.connect = mine = org.connects
        org.changed.notify_all()
        timeout = message.get("advice", {}).get("timeout")
        until = time.monotonic() + (org.hold if timeout is None else min(org.hold, timeout / 1000))
        while True:
            if session.connect != mine:
                raise Reply(500, "")
            if org.sessions.get(session.id) is not session:
                # it was ended while we held the connect
                notice = [{"channel": "/meta/disconnect", "clientId": session.id}] if session.queue is None else []
                session.connect = None
                return notice + [failed(message, "403::Unknown client", "handshake")]
            if session.token not in org.tokens and org.rejects_by != "http":
                session.connect = None
                del org.sessions[session.id]
                org.counts["rejected"] += 1
                return [failed(message, "401::Authentication invalid", "none")]
            if session.queue or time.monotonic() >= until:
                break
            org.changed.wait(min(0.5, max(0.0, until - time.monotonic())))
            if self.abandoned():
                session.connect = None
                raise Reply(499, "")
        session.connect = None
        session.seen = time.monotonic()
        if org.random.random() < 0.2:
            self.set_cookie("sfdc-stream", session.rotate())
        more = {} if session.advised else {
            "advice": {"reconnect": "retry", "interval": 0, "timeout": int(org.hold * 1000)}}
        session.advised = True
        return self.org.drain(session) + [good(message, session, **more)]

    def subscribe(self, message, session):
        org = self.org
        name = message.get("subscription")
        channel, _, condition = name.partition("?")
        if org.busy:
            org.busy -= 1
            return [failed(message, "403:denied_by_security_policy:subscribe_denied", reason=BUSY)]
        if channel.split("/")[1] not in ("topic", "event", "data", "u"):
            return [failed(message, f"404::The channel {channel} does not exist")]
        where = message.get("ext", {}).get("replay", {}).get(channel, -1)
        org.subscribes[name] = org.subscribes.get(name, 0) + 1
        org.replays.append((channel, where))
        ids = [number for number, at, _, _ in org.retained if at == channel]
        if not isinstance(where, int) or (where not in (-1, -2) and where not in ids):
            return [failed(message, STALE % where)]
        wanted = [tuple(pair.partition("=")[::2]) for pair in condition.split("&")] if condition else []
        session.channels[name] = (channel, [(key, value.strip("'")) for key, value in wanted])
        if where != -1:
            for number, at, payload, event in org.retained:
                if number > where and org.matches(session.channels[name], at, payload):
                    org.enqueue(session, event)
        # with its answer or with the connect's, as it happens
        brought = org.drain(session) if org.random.random() < 0.7 else []
        if session.queue:
            org.changed.notify_all()
        self.delay = max(self.delay, org.random.choice((0, 0, 0.02, 0.2)))
        return brought + [good(message, session, subscription=name)]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    org = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.put(405, b"", "text/plain", [])

    do_PUT = do_DELETE = do_GET

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        exchange = Exchange(self.org, self.headers, self.hung_up)
        if self.path == "/services/oauth2/token":
            self.put(*self.issue(dict(urllib.parse.parse_qsl(body.decode()))), "application/json", [])
            return
        if not self.path.startswith("/cometd/"):
            self.put(404, b"<html>no such page</html>", "text/html", [])
            return
        try:
            out, status = exchange.answer(json.loads(body)), 200
        except Reply as reply:
            if reply.status == 499:
                self.close_connection = True
                return
            self.put(reply.status, reply.text.encode(), "application/json", [])
            return
        except (ValueError, AttributeError, TypeError, KeyError):
            self.put(400, b"", "text/plain", [])
            return
        time.sleep(exchange.delay)
        self.put(status, json.dumps(out).encode(), "application/json;charset=UTF-8", exchange.set_cookies)

    def issue(self, form):
        """The client credentials flow: (status, body)."""
        name, _, secret = base64.b64decode(self.headers.get("Authorization", "Basic Og==")[6:]).decode().partition(":")
        if (form.get("client_id", name), form.get("client_secret", secret)) != ("consumer", "s3cret"):
            return 401, b'{"error":"invalid_client","error_description":"invalid client credentials"}'
        if form.get("grant_type") != "client_credentials":
            return 400, b'{"error":"unsupported_grant_type","error_description":"grant type not supported"}'
        with self.org.changed:
            self.org.counts["tokens"] += 1
            answer = {"access_token": self.org.newest, "signature": "c2ln", "token_type": "Bearer",
                      "instance_url": "https://example.my.salesforce.com", "issued_at": str(int(time.time() * 1000))}
        return 200, json.dumps(answer).encode()

    def hung_up(self):
        """A peek at the socket: the client has closed it, and does not wait for an answer."""
        try:
            self.connection.setblocking(False)
            return self.connection.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            self.connection.setblocking(True)

    def put(self, status, body, kind, cookies):
        self.send_response(status)
        self.send_header("Date", email.utils.formatdate(usegmt=True))
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for cookie in cookies:
            self.send_header("Set-Cookie", cookie)
        self.end_headers()
        self.wfile.write(body)


class Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(*_)


# ---- commands: each with the org locked ----

def publish(org, channel, text):
    org.event(channel, json.loads(text))


def stats(org):
    return json.dumps(dict(org.counts, subscribes=org.subscribes, unsubscribes=org.unsubscribes,
                           sessions=len(org.sessions), replays=org.replays[-20:]))


def token(org, how, *tokens):
    """From now on only these tokens are valid; others are rejected by http, error or sfdc."""
    org.rejects_by = how
    org.tokens = set(tokens)
    org.newest = tokens[-1]


def expire(org):
    """Sessions are forgotten without a word."""
    org.sessions.clear()


def kick(org):
    """The same, with a notice in front of the failed connect."""
    for session in org.sessions.values():
        session.queue = None
    org.sessions.clear()


def discard(org, count):
    """The oldest so many events are retained no longer; `all` of them."""
    org.retained = org.retained[len(org.retained) if count == "all" else int(count):]


def busy(org, count):
    """Answers this many subscribes with "busy"."""
    org.busy = int(count)


def full(org, count):
    """So many handshakes find all slots taken."""
    org.full = int(count)


COMMANDS = {each.__name__: each for each in (publish, stats, token, expire, kick, discard, busy, full)}


def value(org, kind):
    if kind == "sessions":
        return len(org.sessions)
    if kind in ("subscribes", "unsubscribes"):
        return sum(getattr(org, kind).values())
    return org.counts[kind]


def wait_for(org, kind, count, ms):
    end = time.monotonic() + int(ms) / 1000
    while time.monotonic() < end:
        with org.changed:
            found = value(org, kind)
        if found == int(count) if kind == "sessions" else found >= int(count):
            return "ok"
        time.sleep(0.005)
    return "timeout"


def command(org, line):
    name, *words = line.split(" ", 2)
    if name == "await":
        return wait_for(org, words[0], *words[1].split(" "))
    if name == "token":
        words = line.split(" ")[1:]
    with org.changed:
        result = COMMANDS[name](org, *words)
        org.changed.notify_all()
    return result or "ok"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default="first", help="the one that is good")
    parser.add_argument("--factor", type=float, default=50, help="by how much time runs faster (50)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--timeout", help="not used: the hold is 110 s by --factor")
    org = Org(parser.parse_args())
    Handler.org = org
    listener = Listener(("127.0.0.1", parser.parse_args().port), Handler)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    print("listening", listener.server_address[1], flush=True)
    for line in sys.stdin:
        line = line.rstrip("\n")
        if line == "quit":
            break
        try:
            print(command(org, line), flush=True)
        except Exception as wrong:      # whatever a command trips over is its answer
            print("error", repr(wrong), flush=True)


if __name__ == "__main__":
    main()
