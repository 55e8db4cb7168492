#!/usr/bin/env python3
"""The system's clock is set back and forth under a running cluster: time in the log never runs backwards."""

import pathlib
import sys
import unittest

from cluster import Cluster, main

LIBRARY = pathlib.Path(sys.argv.pop(2)).resolve()


class Clock(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(nodes=2, cores=2)
        self.clock = self.cluster.root / "clock"
        self.cluster.environment.update({"LD_PRELOAD": str(LIBRARY), "DOCKET_TEST_CLOCK": str(self.clock),
                                         "ASAN_OPTIONS": "verify_asan_link_order=0"})
        self.cluster.up()
        del self.cluster.environment["LD_PRELOAD"] # the clients' clock is right
        self.addCleanup(self.cluster.remove)

    def test_time_never_runs_backwards_and_jobs_are_not_harmed(self):
        c = self.cluster
        long = c.submit("-t", "60", "-o", "long.out", "--wrap", "while [ ! -e go ]; do sleep 0.1; done; echo done")
        c.wait_state(long, "RUNNING")
        for shift in (-3600, 5, -86400, 600, 0, -10):
            self.clock.write_text(str(shift))
            job = c.submit("-o", "/dev/null", "--wrap", "true")
            c.wait_state(job, "COMPLETED")
        self.assertEqual(c.state(long), "RUNNING")
        c.kill("controller") # one that starts anew must not begin before the log's last event
        job = c.submit("-o", "/dev/null", "--wrap", "true")
        c.wait_state(job, "COMPLETED")
        (c.work / "go").touch()
        c.wait_state(long, "COMPLETED")
        times = [event["time"] for event in c.events()]
        self.assertEqual(times, sorted(times))
        self.assertIn("good", c.audit())

    def test_a_jump_beyond_the_limit_ends_what_is_over_it(self):
        c = self.cluster
        job = c.submit("-t", "60", "-o", "/dev/null", "--wrap", "sleep 1000")
        c.wait_state(job, "RUNNING")
        self.clock.write_text("7200")
        c.submit("-o", "/dev/null", "--wrap", "true") # something happens, so the clock is looked at
        c.wait_state(job, "TIMEOUT", seconds=60)


if __name__ == "__main__":
    main()
