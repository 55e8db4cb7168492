#!/usr/bin/env python3
"""Three hosts with an agent each, two of them with a controller and a projector, and a broker on a host of its own.

The leader is cut from the broker, agents from a projector, hosts from everybody, links are slow, daemons die; then all is
healed, settles, and the log and the history of what clients were told are judged.
"""

import contextlib
import pathlib
import random
import shutil
import statistics
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "kafka")]
import broker  # noqa: E402
import net as hosts  # noqa: E402
from cluster import SLOW, main, wait_for  # noqa: E402
from crowd import Crowd  # noqa: E402
from machines import Site  # noqa: E402
from munged import AVAILABLE  # noqa: E402

HOSTS = {"h1": "controller projector node", "h2": "controller projector node", "h3": "node"}
QUICK = {"beat": "500ms", "beat_timeout": "4s", "kill_wait": "1s"}
OUTAGE_SECONDS = 10  # session of 3 s, a beat, taking over: and this machine may be busy


class Kafka(unittest.TestCase):
    def setUp(self):
        folder = tempfile.mkdtemp(prefix="docket-kafka-")
        self.addCleanup(shutil.rmtree, folder, True)
        with contextlib.ExitStack() as stack:
            self.net = stack.enter_context(hosts.Net([*HOSTS, "kafka"]))
            self.kafka = stack.enter_context(broker.Broker(folder, hosts=[(self.net.address("kafka"), self.net.prefix("kafka"))]))
            self.site = stack.enter_context(Site(self.net, HOSTS, f"kafka://{self.kafka.servers}/hosts", configuration=QUICK))
            self.addCleanup(stack.pop_all().close)

    def crowd(self, seed, **more):
        return Crowd(self.site.work, self.site.doors(), self.site.queries(), seed, **{"nodes_max": 3, **more})

    def settled(self, crowd):
        self.site.wait_empty()
        self.site.wait_nodes("idle", "idle", "idle")
        self.assertEqual(self.site.judge(crowd), "")

    def one_leads(self):
        """Whoever it is: Kafka may give the lead back to one that returns."""
        return sorted(self.site.status(host).get("role", "") for host in ("h1", "h2")) == ["leading", "standby"]

    def others(self, leader):
        return "h2" if leader == "h1" else "h1"

    def test_a_leader_that_is_cut_from_the_broker_is_followed_by_another_and_says_so(self):
        site, outages = self.site, []
        crowd = self.crowd(1, rate=10, nodes_max=1)
        with crowd:
            for _ in range(2):
                old = site.leader()
                begun = time.monotonic()
                crowd.fault(f"cut {old} from the broker")
                self.net.cut(old, "kafka")
                wait_for("another leader", OUTAGE_SECONDS, lambda old=old: site.leader() not in (None, old))
                job = site.submit(self.others(old), "-w", self.others(old), "-o", "/dev/null", "--wrap", "true")
                outages.append(time.monotonic() - begun)
                site.wait_state(job, "COMPLETED", host=self.others(old))
                self.net.heal()
                wait_for("the old one to say so", 15,
                         lambda old=old: "nothing of ours is written from here on" in site.said(old, "controller"))
                wait_for("one to lead and one to stand by", 15, self.one_leads)
        print(f"    another one took a job after {statistics.mean(outages):.1f} s")
        self.settled(crowd)
        shown = site.good("h3", "docket", "controllers")
        self.assertIn("leading", shown)
        self.assertIn("standby", shown)

    def test_agents_and_clients_that_are_cut_from_one_take_the_other(self):
        site = self.site
        near = site.leader()
        self.net.cut("h3", near)
        job = site.submit("h3", "-w", "h3", "-o", "/dev/null", "--wrap", "true")
        site.wait_state(job, "COMPLETED", host="h3")
        self.net.heal()
        for host in ("h1", "h2"):
            site.kill(host, "projector")
            job = site.submit("h3", "-N3", "-o", "/dev/null", "--wrap", "true")
            site.wait_state(job, "COMPLETED", host=self.others(host))
            site.start(host, "projector")
            wait_for("its projector", 30, lambda host=host: site.status(host) and site.run(host, "squeue").returncode == 0)
        self.assertIn("good", site.audit())

    def test_slow_links_to_the_broker_cost_time_and_nothing_else(self):
        site = self.site
        self.net.slow("kafka", ms=25)
        self.net.slow("h3", ms=50)
        crowd = self.crowd(2, rate=5, clients=4)
        with crowd:
            time.sleep(5 * SLOW)
            self.assertGreater(crowd.answered(), 10)
        self.net.heal()
        self.settled(crowd)
        self.assertIn(site.leader(), ("h1", "h2"))

    def test_the_history_holds_while_hosts_are_cut_off_and_daemons_die(self):
        site, chance = self.site, random.Random(7)
        crowd = self.crowd(3, rate=8)
        with crowd:
            time.sleep(1)
            end = time.monotonic() + 30
            while time.monotonic() < end:
                self.fault(crowd, chance)
                time.sleep(chance.uniform(0.5, 2))
                site.revive()
            self.net.heal()
        self.settled(crowd)

    def fault(self, crowd, chance):
        host = chance.choice(["h1", "h2", "h3"])
        what = chance.choice(["cut", "cut from kafka", "slow", "kill", "kill"])
        crowd.fault(f"{what} {host}")
        if what == "kill":
            self.site.restart(host, chance.choice(self.site.hosts[host]))
            return
        if what == "slow":
            self.net.slow(host, ms=50, loss=0.01)
        else:
            self.net.cut(host, *(["kafka"] if what == "cut from kafka" else []))
        time.sleep(chance.uniform(0.5, 6))
        self.net.heal()


if __name__ == "__main__":
    reason = hosts.available() or (None if AVAILABLE else "no munged here (Debian: munge)") or broker.available()
    if reason is not None:
        print(f"skipped: {reason}", file=sys.stderr)
        sys.exit(77)
    main()
