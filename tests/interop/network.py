"""A network of one's own whose packets can be dropped without a word.

Programs started with `prefix` live in it; Unix sockets reach through, so the
test stays outside.
"""
import os
import shutil
import subprocess

from servers import Deadline, Lines


def missing():
    """Why there can be no such network here, or None."""
    if os.geteuid() != 0:
        return "needs root for a network namespace"
    for tool in ("unshare", "nsenter", "ip", "iptables"):
        if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            return f"needs {tool}"
    return None


class Network:
    def __init__(self):
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--", "sh", "-c", "ip link set lo up && echo ready && exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if Lines(self.holder.stdout.fileno()).next(Deadline(10)) != b"ready":
            raise RuntimeError("no network namespace")
        self.prefix = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", "--"]

    def cut(self):
        """From now on every packet vanishes: no reset, no refusal."""
        self.rule("-I")

    def heal(self):
        self.rule("-D")

    def rule(self, change):
        subprocess.run(self.prefix + ["iptables", "-w", change, "INPUT", "-i", "lo", "-j", "DROP"],
                       check=True, timeout=10)

    def close(self):
        self.holder.stdin.close()
        self.holder.stdout.close()
        self.holder.wait(10)
