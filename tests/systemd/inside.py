#!/usr/bin/python3
"""Runs inside the box (see run): the installed units under a real systemd.

Each test prints PASS or FAIL with its name; exits 0 when all passed. They run
in this order, each leaving the socket up. One that fails is run once more at once:
if it passes then, it has passed, and `flaky NAME` is printed.
"""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import traceback

sys.path.insert(0, "/out")
from wire import Peer  # noqa: E402

SERVICE, SOCKET = "cometd-bridge.service", "cometd-bridge.socket"
PATH = "/run/cometd-bridge/bridge.sock"
# not the uid of `nobody`, to which a user namespace maps unknown users
STRANGER = 4711
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def command(*words, check=True):
    """Runs a program; what it printed, standard error included."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                          check=False)
    assert done.returncode == 0 or not check, f"{' '.join(words)}: {done.returncode}: {done.stdout}"
    return done.stdout


def show(name, unit=SERVICE):
    return command("systemctl", "show", "--value", "-p", name, unit).strip()


def until(done, seconds, complaint):
    """Polls: systemd has no barrier for what happens without a job."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, complaint()
        time.sleep(0.05)


def journal():
    command("journalctl", "--sync")
    return command("journalctl", "-u", SERVICE, "--no-pager", "-o", "short-monotonic")


@test
def verify():
    """systemd-analyze verify reports nothing about the units."""
    said = command("systemd-analyze", "verify", "--man=no", SERVICE, SOCKET)
    assert not said, said


@test
def security():
    """The sandbox is as tight as that of the best packaged daemons; 0.2 of it is the price of
    unit_of_a_slow_process."""
    file = show("FragmentPath")
    command("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=14", file)


@test
def socket_activation():
    """The first connection starts the daemon and is served by it."""
    command("systemctl", "start", SOCKET)
    assert show("ActiveState") == "inactive", show("ActiveState")
    with Peer(PATH) as peer:
        assert peer.hello["servers"], peer.hello
        assert show("ActiveState") == "active", show("ActiveState")
        assert show("Type") == "notify"


@test
def status_shows_the_servers():
    """systemctl status shows each server's state, by its name."""
    until(lambda: "box: connected" in show("StatusText"), 20,
          lambda: f"STATUS={show('StatusText')}\n{journal()}")


@test
def round_trip():
    """A message goes up to the server and comes back, through the sandbox."""
    with Peer(PATH) as peer:
        peer.wait_state("connected")
        peer.subscribe("/box")
        peer.publish("/box", {"n": 1})
        assert peer.take(1)[0].data == {"n": 1}


@test
def identity_of_other_users():
    """The daemon sees who connects, whatever its own user is."""
    group = show("SocketGroup", SOCKET)
    program = "import sys, json; sys.path.insert(0, '/out'); from wire import Peer; " \
              f"print(json.dumps(Peer('{PATH}').hello))"
    groups = ["--groups", group] if group else ["--clear-groups"]
    said = command("setpriv", "--reuid", str(STRANGER), "--regid", str(STRANGER), *groups,
                   "/usr/bin/python3", "-c", program)
    assert json.loads(said)["identity"]["uid"] == STRANGER, said


@test
def clean_stop():
    """SIGTERM: the peer gets `closing`, the daemon exits with success before systemd kills it; the socket stays."""
    with Peer(PATH) as peer:
        command("systemctl", "stop", SERVICE)
        closing = peer.wait_closed()
        assert closing and closing["code"] == "shutdown", closing
    assert (show("Result"), show("ExecMainStatus")) == ("success", "0"), journal()
    assert show("ActiveState", SOCKET) == "active"
    Peer(PATH).close()


@test
def state_directory():
    """A cookie-jar is stored there with mode 0600, within the sandbox."""
    jar = "/var/lib/cometd-bridge/box.jar"
    command("systemctl", "stop", SERVICE)
    of = os.stat(os.path.dirname(jar))
    assert stat.S_IMODE(of.st_mode) == 0o700, oct(of.st_mode)
    with open(jar, "w", encoding="ascii") as file:
        file.write("127.0.0.1\tFALSE\t/\tFALSE\t4102444800\troute\tnorth\n")
    os.chown(jar, of.st_uid, of.st_gid)
    with Peer(PATH) as peer:
        peer.wait_state("connected")
    command("systemctl", "stop", SERVICE)
    with open(jar, encoding="ascii") as file:
        said = file.read()
    assert "Written by cometd-bridged" in said and "\troute\tnorth\n" in said, said
    assert stat.S_IMODE(os.stat(jar).st_mode) == 0o600 and os.stat(jar).st_uid == of.st_uid != 0
    assert "cookie-jar" not in journal(), journal()
    Peer(PATH).close()


def put(path, text, mode=0o600):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(path, mode)


@test
def credentials():
    """A credential passed by systemd and one printed by a command reach the daemon within the sandbox;
    the command needs the settings given in cometd-bridge.conf(5)."""
    dropin = f"/run/systemd/system/{SERVICE}.d/credentials.conf"
    servers = "/etc/cometd-bridge/cometd-bridge.conf.d/credentials.conf"
    put("/etc/cometd-bridge/token", "from-a-file-of-root\n")
    put("/usr/local/bin/get-token", "#!/bin/sh\necho token-$(id -u)\n", 0o755)
    put(servers, "[server handed]\nurl = http://127.0.0.1:8080/cometd\ncredential-file = systemd:token\n"
                 "[server printed]\nurl = http://127.0.0.1:8080/cometd\nbackoff = 1s 1s\n"
                 "credential-command = /usr/local/bin/get-token\n", 0o644)
    with contextlib.ExitStack() as undo:
        undo.callback(command, "systemctl", "restart", SERVICE)
        undo.callback(command, "systemctl", "daemon-reload")
        undo.callback(os.unlink, servers)
        undo.callback(os.unlink, dropin)
        put(dropin, "[Service]\nLoadCredential=token:/etc/cometd-bridge/token\n", 0o644)
        command("systemctl", "daemon-reload")
        command("systemctl", "restart", SERVICE)
        until(lambda: "handed: connected" in show("StatusText"), 20,
              lambda: f"STATUS={show('StatusText')}\n{journal()}")
        until(lambda: "get-token: it cannot be run: Permission denied" in journal(), 20, journal)
        put(dropin, "[Service]\nLoadCredential=token:/etc/cometd-bridge/token\n"
                    "ExecPaths=/usr/local/bin/get-token /bin/sh /usr/bin/id\n", 0o644)
        command("systemctl", "daemon-reload")
        command("systemctl", "restart", SERVICE)
        until(lambda: "printed: connected" in show("StatusText"), 20,
              lambda: f"STATUS={show('StatusText')}\n{journal()}")


def replaced(pid):
    return show("MainPID") not in ("0", pid) and show("ActiveState") == "active"


@test
def watchdog():
    """A daemon that hangs is replaced, and serves again."""
    directory = f"/run/systemd/system/{SERVICE}.d"
    os.makedirs(directory, exist_ok=True)
    with open(f"{directory}/quick.conf", "w", encoding="ascii") as file:
        file.write("[Service]\nWatchdogSec=4s\nRestartSec=100ms\n")
    command("systemctl", "daemon-reload")
    command("systemctl", "restart", SERVICE)
    pid = show("MainPID")
    with Peer(PATH) as peer:
        for _ in range(50):
            peer.request("ping")
            time.sleep(0.1)
    assert show("MainPID") == pid, "a healthy daemon was replaced\n" + journal()
    os.kill(int(pid), signal.SIGSTOP)
    until(lambda: replaced(pid), 30, lambda: "still hangs\n" + journal())
    assert "Watchdog timeout" in journal(), journal()
    Peer(PATH).close()


@test
def crash():
    """A daemon that dies is started again, and its positions go on; who connects meanwhile waits and is served."""
    with Peer(PATH) as peer:
        before = peer.wait_state("connected")
    pid = show("MainPID")
    os.kill(int(pid), signal.SIGKILL)
    with Peer(PATH) as peer:
        after = peer.wait_state("connected")
    until(lambda: replaced(pid), 20, lambda: "not restarted\n" + journal())
    assert after["epoch"] == before["epoch"] and after["seq"] > before["seq"], (before, after)
    of = os.stat("/var/lib/cometd-bridge/state.db")
    assert stat.S_IMODE(of.st_mode) == 0o600 and of.st_uid != 0, of


def sessions():
    """How many sessions the server has made."""
    command("journalctl", "--sync")
    return command("journalctl", "-u", "fake-bayeux.service", "-o", "cat").count("a session began")


@test
def restart_keeps_the_session():
    """systemctl restart and a crash keep the session at the server; systemctl stop ends it."""
    with Peer(PATH) as peer:
        peer.wait_state("connected")
        peer.subscribe("/box")
    began = sessions()
    for ways in range(3):
        command("systemctl", "restart", SERVICE)
        with Peer(PATH) as peer:
            peer.subscribe("/box")
            assert not peer.wait_state("connected")["gap"], journal()
            peer.publish("/box", {"way": ways})
            assert peer.take(1)[0].data == {"way": ways}
    assert "stopping for a restart" in journal(), journal()
    assert sessions() == began, journal()
    command("systemctl", "stop", SERVICE)
    with Peer(PATH) as peer:
        peer.wait_state("connected")
    assert sessions() == began + 1, journal()


@test
def journal_is_structured():
    """What is logged carries a priority and the name of the program."""
    command("journalctl", "--sync")
    lines = command("journalctl", "-u", SERVICE, "-o", "json", "_COMM=cometd-bridged").splitlines()
    entries = [json.loads(line) for line in lines]
    assert entries, journal()
    assert all("PRIORITY" in e and e["SYSLOG_IDENTIFIER"] == "cometd-bridged" for e in entries), entries[:3]


def starts():
    """How often systemd has started the daemon, as its journal shows."""
    command("journalctl", "--sync")
    lines = command("journalctl", "-u", SERVICE, "-o", "json").splitlines()
    pids = {e["_PID"] for e in map(json.loads, lines) if e.get("SYSLOG_IDENTIFIER") == "cometd-bridged"}
    return len(pids)


@test
def bad_configuration():
    """A wrong key is refused with file and line. However often a client connects, the daemon is started only
    at the pace of RestartSec=; the status has the reason; the corrected file is used without a command."""
    file = "/etc/cometd-bridge/cometd-bridge.conf.d/wrong.conf"
    # the quick restarts of the test of the watchdog are not those that are installed
    os.unlink(f"/run/systemd/system/{SERVICE}.d/quick.conf")
    command("systemctl", "daemon-reload")
    assert show("RestartUSec") == "2s", show("RestartUSec")
    with contextlib.ExitStack() as undo:
        os.makedirs(os.path.dirname(file), exist_ok=True)
        undo.callback(lambda: os.path.exists(file) and os.unlink(file))
        put(file, "[server box]\nulr = http://127.0.0.1/\n", 0o644)
        said = command("cometd-bridged", "--check-config", check=False)
        assert f"{file}:2" in said and "url" in said, said
        before = starts()
        command("systemctl", "restart", SERVICE, check=False)
        connects = 0
        while int(show("NRestarts")) < 3:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(10)
                client.connect(PATH)
                connects += 1
        n = starts() - before
        assert n <= 5 < connects, f"{n} starts, {connects} connects\n{journal()}"
        # each start clears it, until the daemon has read the file
        until(lambda: f"{file}:2" in show("StatusText"), 20, lambda: f"STATUS={show('StatusText')}\n{journal()}")
        assert show("ActiveState", SOCKET) == "active"
        os.unlink(file)
        Peer(PATH).close()
        assert show("ActiveState") == "active", journal()


@test
def reload():
    """A changed configuration is used without a restart; a wrong one fails the job and changes nothing."""
    path = "/etc/cometd-bridge/cometd-bridge.conf"
    with open(path, encoding="utf-8") as file:
        good = file.read()
    with Peer(PATH) as peer:
        pid = peer.request("status")["pid"]
        put(path, good + "\n[server second]\nurl = http://127.0.0.1:1/cometd\n", 0o644)
        command("systemctl", "reload", SERVICE)
        until(lambda: "second" in [s["server"] for s in peer.request("status")["servers"]], 20, journal)
        put(path, good + "\n[server third]\nurl = nonsense\n", 0o644)
        command("systemctl", "reload", SERVICE, check=False)
        assert show("ReloadResult") == "exit-code", show("ReloadResult")
        assert re.search(re.escape(path) + r":\d+: url: ", journal()), journal()
        assert [s["server"] for s in peer.request("status")["servers"]][-1] == "second"
        put(path, good, 0o644)
        command("systemctl", "reload", SERVICE)
        until(lambda: "second" not in [s["server"] for s in peer.request("status")["servers"]], 20, journal)
        assert peer.request("status")["pid"] == pid


@test
def unit_of_a_slow_process():
    """The journal names the unit of a process of another user that reads too slowly: the sandbox does not
    hide it."""
    file = "/etc/cometd-bridge/cometd-bridge.conf.d/small.conf"
    program = f"import sys, time; sys.path.insert(0, '/out'); from wire import Peer; p = Peer('{PATH}', 'slow'); " \
              "p.subscribe('/slow'); time.sleep(600)"
    with contextlib.ExitStack() as undo:
        put(file, "[bridge]\noutbox-max = 64K\n", 0o644)
        undo.callback(command, "systemctl", "restart", SERVICE)
        undo.callback(os.unlink, file)
        command("systemctl", "restart", SERVICE)
        undo.callback(command, "systemctl", "stop", "slow.service", check=False)
        command("systemd-run", "--collect", "--unit=slow", "--uid=nobody", f"--gid={show('SocketGroup', SOCKET)}",
                "/usr/bin/python3", "-c", program)
        with Peer(PATH) as peer:
            peer.wait_state("connected")
            until(lambda: any(p["name"] == "slow" and p["subscriptions"] for p in peer.request("status")["peers"]),
                  20, lambda: command("journalctl", "-u", "slow.service", "--no-pager"))
            for _ in range(150):
                peer.publish("/slow", "x" * 10000)
            until(lambda: any(p["lost"] for p in peer.request("status")["peers"]), 20, journal)
        command("journalctl", "--sync")
        lines = command("journalctl", "-u", SERVICE, "-o", "json", "COMETD_BRIDGE_UNIT=slow.service").splitlines()
        assert any("reads too slowly" in json.loads(line)["MESSAGE"] for line in lines), journal()


@test
def stop_holds():
    """Both units stopped in one command stay stopped, although a subscriber tries to connect again."""
    with subprocess.Popen(["cometctl", "sub", "/stop"], stderr=subprocess.PIPE, text=True) as subscriber:
        with Peer(PATH) as peer:
            until(lambda: any(p["name"] == "cometctl" for p in peer.request("status")["peers"]), 20, journal)
        command("systemctl", "stop", SOCKET, SERVICE)
        # the state of a session that goes on after a restart may have been reported before
        while "lost the daemon" not in (line := subscriber.stderr.readline()):
            assert line, "cometctl ended"
        # the next attempt has failed
        with socket.socket(socket.AF_UNIX) as client:
            assert client.connect_ex(PATH) != 0
        assert (show("ActiveState"), show("ActiveState", SOCKET)) == ("inactive", "inactive"), journal()
        subscriber.terminate()
    command("systemctl", "start", SOCKET)


def readme_commands(section):
    """The shell commands of a section of README.md: blocks that begin with sudo or cometctl."""
    with open("/out/README.md", encoding="utf-8") as file:
        text = file.read().split(f"\n## {section}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.M)
    blocks = [re.sub(r"(?m)^    ", "", b).strip() for b in blocks]
    return [b for b in blocks if b.startswith(("sudo ", "cometctl "))]


@test
def readme():
    """The section Configure of README.md, word for word but for the address of the server, ends with a member
    of the group who receives a message through the socket-activated service."""
    command("systemctl", "stop", SERVICE, SOCKET)
    for old in ("/etc/cometd-bridge", "/run/systemd/system/cometd-bridge.service.d"):
        if os.path.isdir(old):
            shutil.rmtree(old)
    command("systemctl", "daemon-reload")
    command("useradd", "--create-home", "reader", check=False)
    put("/out/bin/sudo", '#!/bin/sh\nexec "$@"\n', 0o755)
    commands = readme_commands("Configure")
    root = [c for c in commands if c.startswith("sudo ")]
    user = [c for c in commands if c.startswith("cometctl ")]
    assert len(root) == 2 and len(user) == 1, commands
    path = "/out/bin:" + os.environ["PATH"]
    for text in root:
        text = text.replace("https://example.com/cometd", "http://127.0.0.1:8080/cometd")
        command("env", "USER=reader", f"PATH={path}", "sh", "-euc", text)
    said = command("runuser", "-l", "reader", "-c", user[0])
    assert "demo" in said and "connected" in said, said
    words = ["runuser", "-l", "reader", "-c"]
    with subprocess.Popen([*words, "timeout 50 cometctl sub '/orders/**' -n 1"], stdout=subprocess.PIPE,
                          text=True) as subscriber:
        def received():
            command(*words, "cometctl pub /orders/eu 1")
            return subscriber.poll() is not None
        until(received, 50, journal)
        said = subscriber.stdout.read()
    assert said == "/orders/eu\t1\n", said
    said = command("runuser", "-l", "nobody", "-s", "/bin/sh", "-c", "cometctl status", check=False)
    assert "permission" in said, said


def passes(function):
    try:
        function()
        print("PASS", f"systemd/{function.__name__}", flush=True)
        return True
    except Exception:
        print("FAIL", f"systemd/{function.__name__}\n    ",
              traceback.format_exc().rstrip().replace("\n", "\n    "), flush=True)
        return False


def main():
    command("systemd-sysusers")
    failed = 0
    for function in TESTS:
        if passes(function):
            continue
        if passes(function):
            print(f"flaky systemd/{function.__name__}", flush=True)
        else:
            failed += 1
    print(f"{len(TESTS) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


sys.exit(main())
