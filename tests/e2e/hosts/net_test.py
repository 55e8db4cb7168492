#!/usr/bin/env python3
"""Hosts in network namespaces do what hosts do: reach each other, are cut off, are slow, come back, and leave nothing behind."""

import contextlib
import os
import pathlib
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from net import NAMED, PREFIX, Net, available  # noqa: E402

ECHO = """
import socket
with socket.create_server(("", 7000)) as server:
    print("ready", flush=True)
    while True:
        link, _ = server.accept()
        with link:
            while data := link.recv(65536):
                link.sendall(data)
"""
ASK = """
import socket, sys, time
begun = time.monotonic()
with socket.create_connection((sys.argv[1], 7000), timeout=float(sys.argv[2])) as link:
    link.settimeout(float(sys.argv[2]))
    for _ in range(4):
        size, got = 100000, 0
        link.sendall(b"x" * size)
        while got < size:
            got += len(link.recv(65536))
print(time.monotonic() - begun)
"""


class Hosts(unittest.TestCase):
    def setUp(self):
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        self.net = stack.enter_context(Net(["h1", "h2", "h3"]))
        self.server = self.net.start("h2", [sys.executable, "-c", ECHO], stdout=subprocess.PIPE)
        self.server.stdout.readline()
        self.addCleanup(self.server.stdout.close)
        self.addCleanup(self.server.wait)
        self.addCleanup(self.server.kill)

    def ask(self, host, seconds=0.4):
        """How long it took to be answered; None: it was not."""
        done = self.net.run(host, [sys.executable, "-c", ASK, self.net.address("h2"), seconds])
        return float(done.stdout) if done.returncode == 0 else None

    def test_each_host_has_a_name_and_reaches_the_others(self):
        self.assertEqual(self.net.run("h1", ["hostname"]).stdout, "h1\n")
        self.assertIsNotNone(self.ask("h1", 5))
        self.assertIsNotNone(self.ask("h3", 5))

    def test_a_host_that_is_cut_off_reaches_nobody_until_healed(self):
        self.net.cut("h1")
        self.assertIsNone(self.ask("h1"))
        self.assertIsNotNone(self.ask("h3", 5))
        self.net.heal("h1")
        self.assertIsNotNone(self.ask("h1", 5))

    def test_two_hosts_that_are_cut_from_each_other_reach_the_third(self):
        self.net.cut("h1", "h2")
        self.assertIsNone(self.ask("h1"))
        self.assertIsNotNone(self.ask("h3", 5))
        self.net.heal()
        self.assertIsNotNone(self.ask("h1", 5))

    def test_a_slow_link_delays_both_ways_and_a_lossy_one_gets_through(self):
        self.net.slow("h2", ms=30)
        self.assertGreater(self.ask("h1", 20), 5 * 0.06)  # a handshake and four rounds
        self.net.slow("h2", ms=1, loss=0.02)
        self.assertIsNotNone(self.ask("h1", 20))
        self.net.cut("h2")
        self.assertIsNone(self.ask("h1"))
        self.net.heal("h2")
        self.assertIsNotNone(self.ask("h1", 5))

    def test_a_net_leaves_no_namespace_and_no_process(self):
        with Net(["away"]) as net:
            sleeper = net.start("away", ["sleep", "1000"])
            time.sleep(0.1)
        self.assertNotEqual(sleeper.wait(), 0)
        self.assertEqual(list(NAMED.glob(f"{PREFIX}{os.getpid()}-*-away")), [])


if __name__ == "__main__":
    reason = available()
    if reason is not None:
        print(f"skipped: {reason}", file=sys.stderr)
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
