#!/usr/bin/env python3
"""Ten thousand jobs through a small cluster: each runs once, is accounted for once, and the log is good."""

import os
import resource
import unittest

from cluster import SLOW, Cluster, main, wait_for

JOBS = 10000 if SLOW == 1 else 2000  # sanitizers take their time


class Many(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(nodes=4, cores=4).up()
        self.addCleanup(self.cluster.remove)

    def test_thousands_of_jobs_each_run_once(self):
        c = self.cluster
        ran = c.work / "ran"
        ran.touch()
        script = c.script("one.sh", f"echo $SLURM_JOB_ID >>{ran}")
        array = c.submit("-o", "/dev/null", "-a", f"1-{JOBS - 500}", script)
        for _ in range(5):
            c.good("sh", "-c", f"for i in $(seq 100); do sbatch -Q -o /dev/null {script} >/dev/null || exit 1; done")
        counts = []  # a job that ends while usage is asked counts once
        while c.good("squeue", "-h").strip():
            counts += [int(n) for n in c.good("docket", "acct", "usage", "--by", "user", "--no-header", "--fields", "jobs").split()]
        self.assertLessEqual(max(counts, default=0), JOBS)
        self.assertEqual(counts, sorted(counts))
        lines = ran.read_text().split()
        self.assertEqual(len(lines), JOBS)
        self.assertEqual(len(set(lines)), JOBS)
        states = c.good("sacct", "-X", "-n", "-P", "-o", "State").split()
        self.assertEqual(states, ["COMPLETED"] * JOBS)
        self.assertEqual(len(c.good("sacct", "-X", "-n", "-P", "-j", array, "-o", "JobID").split()), JOBS - 500)
        self.assertIn("good", c.audit())

    def test_a_thousand_waiting_jobs_are_cancelled_at_once(self):
        c = self.cluster
        c.good("sh", "-c", "for i in $(seq 10); do sbatch -Q -H -a 1-100 -o /dev/null --wrap true >/dev/null || exit 1; done")
        c.good("sh", "-c", "for i in $(seq 50); do sbatch -Q -H -o /dev/null --wrap true >/dev/null || exit 1; done")
        self.assertEqual(len(c.good("squeue", "-h", "-r").splitlines()), 1050)
        c.good("scancel", "--me")
        wait_for("an empty queue", 20, lambda: not c.good("squeue", "-h").strip())
        states = c.good("sacct", "-X", "-n", "-P", "-o", "State").splitlines()
        self.assertTrue(all(state.startswith("CANCELLED by") for state in states), states[:3])


if __name__ == "__main__":
    main()
