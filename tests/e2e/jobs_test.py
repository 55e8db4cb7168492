#!/usr/bin/env python3
"""Jobs that misbehave, and the ways in which jobs end."""

import os
import pathlib
import time
import unittest

from cluster import ClusterCase, main, wait_for


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


class Misbehaving(ClusterCase):
    nodes, cores = 2, 2

    def test_a_job_that_ignores_sigterm_is_killed(self):
        c = self.cluster
        path = c.work / "kill.yaml"
        path.write_text(c.good("docket", "config", "show"))
        text = "\n".join("kill_wait: 1s" if line.startswith("kill_wait") else line
                         for line in path.read_text().splitlines())
        path.write_text(text + "\n")
        c.good("docket", "config", "apply", path)
        job = c.submit("-o", "deaf.out", "--wrap", "trap '' TERM; echo here; while :; do sleep 0.1; done")
        self.output("deaf.out")
        begin = time.monotonic()
        c.good("scancel", job)
        c.wait_state(job, "CANCELLED")
        self.assertGreater(time.monotonic() - begin, 0.9)

    def test_sigterm_reaches_the_scripts_trap_first(self):
        c = self.cluster
        job = c.submit("-o", "trap.out", "--wrap", "trap 'echo asked; exit 0' TERM; echo here; while :; do sleep 0.05; done")
        self.output("trap.out")
        c.good("scancel", job)
        c.wait_state(job, "CANCELLED")
        self.assertIn("asked", (c.work / "trap.out").read_text())

    def test_a_job_that_forks_away_leaves_nothing_behind(self):
        c = self.cluster
        job = c.submit("-o", "fork.out", "--wrap",
                       "setsid sh -c 'sleep 1000 & echo $! >>away; sleep 1000 & echo $! >>away; wait' & "
                       "(setsid setsid sleep 1000 & echo $! >>away) & while [ $(wc -l <away) -lt 3 ]; do sleep 0.05; done; sleep 1000")
        pids = [int(pid) for pid in wait_for("three that forked away", 30, lambda: (
            lambda words: words if len(words) == 3 else None)(
                (c.work / "away").read_text().split() if (c.work / "away").exists() else []))]
        c.good("scancel", job)
        c.wait_state(job, "CANCELLED", seconds=60)
        wait_for("all to be gone", 20, lambda: not any(alive(pid) for pid in pids))

    def test_what_a_script_leaves_running_ends_with_it(self):
        c = self.cluster
        job = c.submit("--wrap", "setsid sleep 1000 & echo $! >left; exit 0")
        c.wait_state(job, "COMPLETED")
        pid = int((c.work / "left").read_text())
        wait_for("it to be gone", 20, lambda: not alive(pid))

    def test_the_time_limit_ends_a_job(self):
        c = self.cluster
        job = c.submit("-t", "0:02", "--wrap", "sleep 1000")  # Slurm rounds up to a minute
        self.assertEqual(c.good("squeue", "-h", "-j", job, "-o", "%l").strip(), "1:00")
        c.good("scancel", job)
        self.assertEqual(c.run("docket", "submit", "--time", "0:01", "--wrap", "true").returncode, 0)

    def test_signal_before_the_limit_reaches_the_batch_script(self):
        c = self.cluster
        job = c.submit("-t", "1", "--signal", "B:USR1@50", "-o", "early.out", "--wrap",
                       "trap 'echo early; exit 5' USR1; while :; do sleep 0.1; done")
        c.wait_state(job, "FAILED", seconds=60)
        self.assertEqual((c.work / "early.out").read_text(), "early\n")

    def test_scancel_can_send_any_signal(self):
        c = self.cluster
        job = c.submit("-o", "usr2.out", "--wrap", "trap 'echo two; exit 0' USR2; echo here; while :; do sleep 0.05; done")
        self.output("usr2.out")
        c.good("scancel", "-b", "-s", "USR2", job)
        c.wait_state(job, "COMPLETED")
        self.assertIn("two", (c.work / "usr2.out").read_text())

    def test_a_flood_of_output_hinders_nobody(self):
        c = self.cluster
        flood = c.submit("-o", "flood.out", "--wrap", "head -c 300000000 /dev/zero")
        other = c.submit("--wrap", "true")
        c.wait_state(other, "COMPLETED")
        c.wait_state(flood, "COMPLETED", seconds=60)
        self.assertEqual((c.work / "flood.out").stat().st_size, 300000000)

    def test_a_job_that_fills_memory_is_out_of_memory(self):
        c = self.cluster
        isolation = c.good("docket", "nodes", "--json")
        if '"cgroup' not in isolation:
            raise unittest.SkipTest("no cgroup confines memory here")
        job = c.submit("--mem", "50", "--wrap", "python3 -c 'x = bytearray(400 << 20); print(len(x))'")
        c.wait_state(job, "OUT_OF_MEMORY", seconds=60)

    def test_a_folder_that_is_not_there_is_said(self):
        c = self.cluster
        job = c.submit("-D", "/nowhere/at/all", "-o", "/dev/null", "--wrap", "true")
        c.wait_state(job, "FAILED", "COMPLETED")  # Slurm runs it in /tmp
        self.assertIn("/nowhere/at/all", c.good("docket", "job", job))

    def test_an_output_file_that_cannot_be_made_is_said(self):
        c = self.cluster
        job = c.submit("-o", "/nowhere/x.out", "--wrap", "true")
        c.wait_state(job, "FAILED")
        self.assertIn("/nowhere/x.out", c.good("docket", "job", job))

    def test_usage_is_measured(self):
        c = self.cluster
        job = c.submit("--wrap", "python3 -c 'x = bytearray(60 << 20); sum(range(3000000))'")
        c.wait_state(job, "COMPLETED")
        row = c.good("sacct", "-n", "-P", "-j", f"{job}.batch", "-o", "MaxRSS,TotalCPU", "--units=K").strip()
        rss, cpu = row.split("|")
        self.assertGreater(int(float(rss.rstrip("K"))), 50000)
        self.assertNotEqual(cpu, "00:00:00")

    def test_a_requeued_job_runs_again_under_its_id(self):
        c = self.cluster
        job = c.submit("--requeue", "-o", "again.out", "--open-mode=append", "--wrap",
                       "echo run $SLURM_RESTART_COUNT; [ -n \"$SLURM_RESTART_COUNT\" ] || sleep 1000")
        self.output("again.out")
        c.good("scontrol", "requeue", job)
        c.wait_state(job, "COMPLETED", seconds=60)
        self.assertEqual((c.work / "again.out").read_text().split(), ["run", "run", "1"])
        self.assertEqual(len(c.good("sacct", "-D", "-X", "-n", "-P", "-j", job, "-o", "State").split("\n")), 3)

    def test_zz_the_log_of_all_this_is_good(self):
        self.cluster.wait_empty()
        self.assertIn("good", self.cluster.audit())


if __name__ == "__main__":
    main()
