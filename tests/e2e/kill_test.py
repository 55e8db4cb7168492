#!/usr/bin/env python3
"""kill -9 of each process at many points under load: nothing acknowledged is lost, nothing runs twice.

Each job appends its number to one file, with one write of its own: a line that is missing was lost, a line
that is there twice was run twice. Then the log is audited: no core was given to two jobs at a time.
"""

import random
import subprocess
import time
import unittest

from cluster import SLOW, Cluster, main, wait_for


class Kill(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(nodes=3, cores=4).up()
        self.addCleanup(self.cluster.remove)

    def one_part(self, part, rounds):
        c = self.cluster
        chance = random.Random(f"{part}")
        ran = c.work / "ran"
        ran.touch()
        script = c.script("count.sh", f"sleep 0.0$(( ($$ % 9) + 1 )); echo $SLURM_JOB_ID >>{ran}")
        acknowledged = []
        for _ in range(rounds):
            submitters = [subprocess.Popen(["sh", "-c", f"for i in $(seq 12); do sbatch --parsable -o /dev/null {script}; done"],
                                           env=c.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                          for _ in range(3)]
            time.sleep(chance.uniform(0.02, 0.5) * SLOW)
            c.kill(part)
            if part == "supervisor":
                time.sleep(0.1)
                c.up()
            for submitter in submitters:
                out, err = submitter.communicate(timeout=120 * SLOW)
                self.assertEqual(submitter.returncode, 0, err + c.remarks())
                acknowledged += [int(line) for line in out.split()]
        self.assertEqual(len(acknowledged), len(set(acknowledged)), "an id was given out twice")
        self.assertEqual(len(acknowledged), rounds * 36)
        c.wait_empty(120)
        lines = sorted(int(line) for line in ran.read_text().split())
        self.assertEqual(lines, sorted(acknowledged), c.remarks())
        states = c.good("sacct", "-X", "-n", "-P", "-o", "JobID,State").splitlines()
        self.assertEqual(sorted(states, key=lambda row: int(row.split("|")[0])),
                         [f"{job}|COMPLETED" for job in sorted(acknowledged)])
        self.assertIn("good", c.audit())

    def test_the_controller_is_killed(self):
        self.one_part("controller", 8)

    def test_the_projector_is_killed(self):
        self.one_part("projector", 6)

    def test_an_agent_is_killed(self):
        self.one_part("node n1", 6)

    def test_the_supervisor_is_killed(self):
        self.one_part("supervisor", 3)

    def test_running_jobs_survive_the_whole_cluster_going_down(self):
        c = self.cluster
        job = c.submit("-o", "long.out", "--wrap", "sleep 3; echo done")
        c.wait_state(job, "RUNNING")
        c.down(jobs=False)
        c.up()
        self.assertEqual(c.state(job), "RUNNING")
        c.wait_state(job, "COMPLETED")
        self.assertEqual((c.work / "long.out").read_text(), "done\n")

    def test_jobs_go_on_while_the_controller_is_away_and_are_reported_later(self):
        c = self.cluster
        jobs = [c.submit("-o", f"away-{i}.out", "--wrap", "sleep 1; echo done") for i in range(3)]
        for job in jobs:
            c.wait_state(job, "RUNNING")
        pid = c.pid("controller")
        subprocess.run(["kill", "-STOP", str(pid)], check=True)
        wait_for("the jobs to end", 30, lambda: all((c.work / f"away-{i}.out").exists() and
                                                    (c.work / f"away-{i}.out").read_text() == "done\n" for i in range(3)))
        subprocess.run(["kill", "-CONT", str(pid)], check=True)
        for job in jobs:
            c.wait_state(job, "COMPLETED")

    def test_the_number_of_a_killed_supervisor_is_nobodys_to_signal(self):
        c = self.cluster
        path = c.dir / "run/docketd.pid"
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)  # who may read it could lock it
        c.kill("supervisor")
        wait_for("the supervisor to be gone", 10, lambda: c.down().returncode == 0 and path.read_text() == "")
        self.assertEqual(c.pid("controller"), 0)
        c.up()

    def test_down_with_jobs_leaves_no_process(self):
        c = self.cluster
        job = c.submit("--wrap", "sleep 1000 & sleep 1000")
        c.wait_state(job, "RUNNING")
        c.down(jobs=True)
        left = subprocess.run(["pgrep", "-f", str(c.dir)], capture_output=True, text=True, check=False).stdout
        self.assertEqual(left, "")


if __name__ == "__main__":
    main()
