#!/usr/bin/env python3
"""Three hosts with an agent each, controller and projector on the first, with the log in a folder; TCP and MUNGE between them.
Links are cut, slowed and healed: what the rules say happens, and nothing else; then the log and the history are judged.
"""

import contextlib
import pathlib
import random
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from cluster import main, wait_for  # noqa: E402
from crowd import Crowd  # noqa: E402
from machines import Site  # noqa: E402
from munged import AVAILABLE  # noqa: E402
from net import Net, available  # noqa: E402

HOSTS = {"h1": "controller projector node", "h2": "node", "h3": "node"}
QUICK = {"beat": "500ms", "beat_timeout": "3s", "kill_wait": "1s"}


class Hosts(unittest.TestCase):
    def setUp(self):
        with contextlib.ExitStack() as stack:
            self.net = stack.enter_context(Net(list(HOSTS)))
            self.site = stack.enter_context(Site(self.net, HOSTS, configuration=QUICK))
            self.addCleanup(stack.pop_all().close)

    def counts(self, name):
        """A script that says which attempts of it began and ended, and where."""
        path = self.site.work / f"{name}.sh"
        path.write_text("#!/bin/sh\n"
                        f"echo began ${{SLURM_RESTART_COUNT:-0}} $SLURMD_NODENAME >>{name}\n"
                        f"trap 'echo told ${{SLURM_RESTART_COUNT:-0}} $SLURMD_NODENAME >>{name}; exit 1' TERM\n"
                        f"for i in $(seq 40); do sleep 0.1; done\necho ended ${{SLURM_RESTART_COUNT:-0}} $SLURMD_NODENAME >>{name}\n")
        return path

    def lines(self, name):
        path = self.site.work / name
        return path.read_text().splitlines() if path.exists() else []

    def test_a_job_spans_hosts_and_each_has_its_share(self):
        site = self.site
        job = site.submit("h3", "-N3", "-n12", "-o", "wide.out", "--wrap", "hostname; echo $SLURM_JOB_NODELIST $SLURM_TASKS_PER_NODE")
        site.wait_state(job, "COMPLETED", host="h1")
        self.assertEqual((site.work / "wide.out").read_text(), "h1\nh[1-3] 4(x3)\n")

    def test_a_host_that_is_cut_off_is_lost_its_jobs_go_on_elsewhere_and_end_there_when_it_is_back(self):
        site = self.site
        may = site.submit("h1", "--requeue", "-w", "h3", "-o", "/dev/null", self.counts("may"))
        must_not = site.submit("h1", "--no-requeue", "-w", "h3", "-o", "/dev/null", self.counts("must_not"))
        beside = site.submit("h1", "-w", "h2", "-o", "/dev/null", self.counts("beside"))
        for name in ("may", "must_not", "beside"):
            wait_for(name, 20, lambda name=name: self.lines(name))
        self.net.cut("h3")
        wait_for("h3 to be lost", 20, lambda: site.nodes("h1")["h3"].rstrip("*") == "down")
        site.wait_state(must_not, "NODE_FAIL")
        self.assertEqual(site.state(may).split()[0], "PENDING")  # it wants h3, and nothing else
        site.wait_state(beside, "COMPLETED")
        self.net.heal("h3")
        site.wait_state(may, "COMPLETED")
        self.assertEqual([line for line in self.lines("may") if line.startswith("began")], ["began 0 h3", "began 1 h3"])
        self.assertEqual(self.lines("may")[-1], "ended 1 h3")
        self.assertEqual(len([line for line in self.lines("must_not") if line.startswith("began")]), 1)
        self.assertEqual(self.lines("beside"), ["began 0 h2", "ended 0 h2"])
        site.wait_nodes("idle", "idle", "idle")
        self.assertIn("good", site.audit())

    def test_slow_links_cost_time_and_nothing_else(self):
        site = self.site
        self.net.slow("h3", ms=50)
        job = site.submit("h3", "-N3", "-o", "slow.out", "--wrap", "echo done")
        site.wait_state(job, "COMPLETED", host="h3")
        self.net.slow("h3", ms=5, loss=0.02)
        job = site.submit("h3", "-N3", "-o", "slow.out", "--wrap", "echo done again")
        site.wait_state(job, "COMPLETED", host="h3")
        self.assertEqual((site.work / "slow.out").read_text(), "done again\n")

    def test_the_history_holds_while_links_break(self):
        site, chance = self.site, random.Random(5)
        crowd = Crowd(site.work, site.doors(), site.queries(), 5, nodes_max=3, rate=10)
        with crowd:
            end = time.monotonic() + 15
            while time.monotonic() < end:
                host = chance.choice(["h2", "h3"])
                how = chance.choice(["cut", "cut", "cut from h1", "slow"])
                crowd.fault(f"{how} {host}")
                if how == "slow":
                    self.net.slow(host, ms=50, loss=0.01)
                else:
                    self.net.cut(host, *(["h1"] if how == "cut from h1" else []))
                time.sleep(chance.uniform(0.5, 5))
                self.net.heal()
                time.sleep(chance.uniform(0, 1))
        site.wait_empty()
        self.assertEqual(site.judge(crowd), "")


if __name__ == "__main__":
    reason = available() or (None if AVAILABLE else "no munged here (Debian: munge)")
    if reason is not None:
        print(f"skipped: {reason}", file=sys.stderr)
        sys.exit(77)
    main()
