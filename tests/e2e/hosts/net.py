#!/usr/bin/env python3
"""Hosts on one machine: network namespaces with a name and an address each, joined by a switch that can be broken.

    with Net(["h1", "h2", "kafka"]) as net:
        net.address("h1")                    # "10.77.0.1": the nets of two tests never meet
        net.run("h1", ["hostname"])          # as subprocess.run; net.start(): as subprocess.Popen
        net.cut("h1")                        # from everybody: frames vanish, nobody is told
        net.cut("h1", "kafka")               # from each other, both ways
        net.slow("h1", ms=50, loss=0.01)     # each way, through a wire of ours (this needs no netem in the kernel)
        net.heal()                           # or heal("h1"), heal("h1", "kafka")

A process of a host has the machine's files, and of its own: interfaces, ports, host name. Everything that runs in
a namespace is killed with it, when `with` ends; what a killed test left behind, the next one removes. Needs root.

    net.py --wire PORT PORT MS LOSS          the wire, inside the switch: frames come out later, or not
"""

import atexit
import contextlib
import ctypes
import fcntl
import heapq
import os
import pathlib
import random
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

NAMED = pathlib.Path("/run/netns")
PREFIX = "docket-"
CLONE_NEWNET, PR_SET_PDEATHSIG = 0x40000000, 1
PACKETS_ALL, OUTGOING = 3, 4  # ETH_P_ALL, PACKET_OUTGOING
NOBODY = "02:00:00:00:00:00"  # a neighbour's address at which nobody is
LIBC = ctypes.CDLL(None, use_errno=True)


def available():
    """None if hosts can be made here, else why not."""
    if os.geteuid() != 0:
        return "hosts are network namespaces, and those are root's to make"
    try:
        made = subprocess.run(["ip", "netns", "add", f"{PREFIX}{os.getpid()}-try"], capture_output=True, text=True, check=False)
    except OSError:
        return "no command ip (Debian: iproute2)"
    if made.returncode != 0:
        return f"this machine makes no network namespace: {made.stderr.strip()}"
    ip("netns", "del", f"{PREFIX}{os.getpid()}-try")
    return None


def ip(*words):
    done = subprocess.run(["ip", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


def within(namespace, work):
    """Calls work() in a thread that is in that namespace, and returns its value."""
    result = []

    def there():
        try:
            with open(NAMED / namespace, "rb") as file:
                if LIBC.setns(file.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"setns {namespace}")
            result.append((work(), None))
        except BaseException as error:
            result.append((None, error))

    thread = threading.Thread(target=there)
    thread.start()
    thread.join()
    value, error = result[0]
    if error is not None:
        raise error
    return value


def whole_frames(interface):
    """What leaves here is cut into frames and has its checksums: else the wire would pass on what is neither."""
    with socket.socket() as sock:
        for command in (0x17, 0x1f, 0x24, 0x2c):  # ETHTOOL_STXCSUM, _STSO, _SGSO, _SGRO
            value = ctypes.create_string_buffer(struct.pack("II", command, 0))
            with contextlib.suppress(OSError):
                fcntl.ioctl(sock, 0x8946, struct.pack("16sQ16x", interface.encode(), ctypes.addressof(value)))  # SIOCETHTOOL


def end_all(namespace):
    """Kills every process in it, and waits until they are gone."""
    for _ in range(100):
        pids = [int(pid) for pid in ip("netns", "pids", namespace).split()]
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def sweep():
    """Removes the namespaces of tests that are no more."""
    for path in NAMED.glob(f"{PREFIX}*") if NAMED.exists() else ():
        found = re.fullmatch(PREFIX + r"(\d+)-.*", path.name)
        if found and not pathlib.Path(f"/proc/{found.group(1)}").exists():
            with contextlib.suppress(RuntimeError):
                end_all(path.name)
                ip("netns", "del", path.name)


class Net:
    count = 0  # in this process, for names

    def __init__(self, hosts):
        Net.count += 1
        self.stem = f"{PREFIX}{os.getpid()}-{Net.count}-"
        self.switch = self.stem + "switch"
        self.hosts = list(hosts)
        self.wires = {}  # host: (process, its end of the bridge's pair)

    def __enter__(self):
        sweep()
        atexit.register(self.remove)
        try:
            self.make()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *why):
        self.remove()

    def make(self):
        ip("netns", "add", self.switch)
        within(self.switch, self.quiet)
        ip("-n", self.switch, "link", "add", "bridge", "type", "bridge")
        ip("-n", self.switch, "link", "set", "bridge", "up")
        for host in self.hosts:
            there, port = self.namespace(host), self.port(host)
            ip("netns", "add", there)
            within(there, self.quiet)
            ip("-n", there, "link", "set", "lo", "up")
            ip("-n", there, "link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", self.switch)
            ip("-n", there, "addr", "add", f"{self.address(host)}/24", "dev", "eth0")
            within(there, lambda: whole_frames("eth0"))
            ip("-n", there, "link", "set", "eth0", "up")
            ip("-n", self.switch, "link", "set", port, "master", "bridge")
            ip("-n", self.switch, "link", "set", port, "up")

    @staticmethod
    def quiet():
        with contextlib.suppress(OSError):  # no chatter of IPv6 on interfaces to come
            pathlib.Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")

    def remove(self):
        atexit.unregister(self.remove)
        for name in [*map(self.namespace, self.hosts), self.switch]:
            if (NAMED / name).exists():
                end_all(name)
                ip("netns", "del", name)
        for process, _ in self.wires.values():
            process.wait()
        self.wires.clear()

    # --- its hosts ---

    def namespace(self, host):
        return self.stem + host

    def port(self, host):
        return f"port{self.hosts.index(host)}"

    def address(self, host):
        return f"10.77.0.{self.hosts.index(host) + 1}"

    def prefix(self, host):
        """Words before a command that make it one of this host."""
        return ["nsenter", f"--net={NAMED / self.namespace(host)}", "unshare", "--uts", "sh", "-c",
                'hostname "$0" && exec "$@"', host]

    def run(self, host, words, **more):
        more = {"capture_output": True, "text": True, "check": False, "timeout": 120, **more}
        return subprocess.run([*self.prefix(host), *map(str, words)], **more)

    def start(self, host, words, **more):
        """A process that dies with the thread that started it."""
        return subprocess.Popen([*self.prefix(host), *map(str, words)],
                                preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), **more)

    # --- its links ---

    def cut(self, host, other=None):
        """Nothing of `host` reaches anybody (or `other`), nor the other way; both think the link is there."""
        if other is None:
            ip("-n", self.switch, "link", "set", self.bridge_end(host), "nomaster")
            return
        for one, far in ((host, other), (other, host)):
            ip("-n", self.namespace(one), "neigh", "replace", self.address(far), "lladdr", NOBODY, "dev", "eth0", "nud", "permanent")

    def heal(self, host=None, other=None):
        """Undoes cut() and slow() of a host, of two, or all there is."""
        if host is None:
            for each in self.hosts:
                self.heal(each)
            return
        if other is not None:
            for one, far in ((host, other), (other, host)):
                with contextlib.suppress(RuntimeError):  # it was not cut
                    ip("-n", self.namespace(one), "neigh", "del", self.address(far), "dev", "eth0")
            return
        self.unwire(host)
        ip("-n", self.switch, "link", "set", self.port(host), "master", "bridge")
        for far in self.hosts:
            if far != host:
                self.heal(host, far)

    def slow(self, host, ms, loss=0.0):
        """Every frame of `host` takes so many ms each way; the share `loss` of them never comes."""
        self.unwire(host)
        number = self.hosts.index(host)
        near, far = f"near{number}", f"far{number}"
        ip("-n", self.switch, "link", "set", self.port(host), "nomaster")
        ip("-n", self.switch, "link", "add", near, "type", "veth", "peer", "name", far)
        within(self.switch, lambda: (whole_frames(near), whole_frames(far)))
        for name in (near, far):
            ip("-n", self.switch, "link", "set", name, "up")
        process = subprocess.Popen(
            ["nsenter", f"--net={NAMED / self.switch}", sys.executable, __file__, "--wire", self.port(host), near, str(ms), str(loss)],
            stdout=subprocess.PIPE, preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
        self.wires[host] = (process, far)
        process.stdout.readline()  # it is there
        process.stdout.close()
        ip("-n", self.switch, "link", "set", far, "master", "bridge")

    def bridge_end(self, host):
        return self.wires[host][1] if host in self.wires else self.port(host)

    def unwire(self, host):
        process, far = self.wires.pop(host, (None, None))
        if process is not None:
            process.kill()
            process.wait()
            ip("-n", self.switch, "link", "del", far)


# --- the wire ---

def wire(first, second, ms, loss):
    ends = []
    for name in (first, second):
        end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(PACKETS_ALL))
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        end.bind((name, 0))
        ends.append(end)
    print("ready", flush=True)
    under_way, number, chance = [], 0, random.Random(1)
    while True:
        wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
        for end in select.select(ends, [], [], wait)[0]:
            frame, (_, _, kind, *_) = end.recvfrom(65536)
            if kind != OUTGOING and chance.random() >= loss:
                number += 1
                heapq.heappush(under_way, (time.monotonic() + ms / 1000, number, ends[1 - ends.index(end)], frame))
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, end, frame = heapq.heappop(under_way)
            with contextlib.suppress(OSError):  # a link that is down loses it
                end.send(frame)


if __name__ == "__main__":
    if len(sys.argv) != 6 or sys.argv[1] != "--wire":
        sys.exit(__doc__)
    wire(sys.argv[2], sys.argv[3], float(sys.argv[4]), float(sys.argv[5]))
