#!/usr/bin/env python3
"""What a newcomer does on the first day: submit, look, read the output, the accounting, the explanation."""

import json
import os
import re

from cluster import ClusterCase, main


class FirstDay(ClusterCase):
    def test_a_script_with_directives_runs_on_three_nodes(self):
        c = self.cluster
        script = c.script("three.sh", "#SBATCH --job-name=three --nodes=3", "#SBATCH --ntasks-per-node=1 -t 5",
                          "#SBATCH -o three-%j.out", 'echo "on $SLURM_JOB_NUM_NODES nodes: $SLURM_JOB_NODELIST"',
                          "scontrol show hostnames", "pwd", "echo to-err >&2", interpreter="#!/bin/bash")
        out = c.good("sbatch", script)
        job = int(re.fullmatch(r"Submitted batch job (\d+)\n", out).group(1))
        c.wait_state(job, "COMPLETED")
        lines = (c.work / f"three-{job}.out").read_text().splitlines()
        self.assertEqual(lines, ["on 3 nodes: n[1-3]", "n1", "n2", "n3", str(c.work), "to-err"])
        row = c.good("sacct", "-X", "-n", "-P", "-j", job, "-o", "JobName,State,ExitCode,NNodes,NodeList,User").strip()
        user = c.good("id", "-un").strip()
        self.assertEqual(row, f"three|COMPLETED|0:0|3|n[1-3]|{user}")

    def test_the_exit_code_is_the_scripts(self):
        c = self.cluster
        job = c.submit("--wrap", "exit 7")
        c.wait_state(job, "FAILED")
        self.assertEqual(c.good("sacct", "-X", "-n", "-P", "-j", job, "-o", "ExitCode").strip(), "7:0")
        done = c.run("sbatch", "--wait", "--wrap", "exit 3")
        self.assertEqual(done.returncode, 3)

    def test_a_waiting_job_is_seen_held_released_and_cancelled(self):
        c = self.cluster
        job = c.submit("-H", "-J", "waits", "--wrap", "true")
        self.assertEqual(c.good("squeue", "-h", "-j", job, "-o", "%t %r").strip(), "PD JobHeldUser")
        c.good("scontrol", "release", job)
        c.wait_state(job, "COMPLETED")
        job = c.submit("-H", "--wrap", "true")
        c.good("scancel", job)
        c.wait_state(job, "CANCELLED")
        self.assertIn("CANCELLED by", c.state(job))

    def test_an_array_runs_each_task_once_and_its_dependant_after_it(self):
        c = self.cluster
        array = c.submit("-a", "1-5%2", "-o", "a-%A_%a.out", "--wrap", "echo task $SLURM_ARRAY_TASK_ID of $SLURM_ARRAY_JOB_ID")
        after = c.submit("-d", f"afterok:{array}", "-o", "after.out", "--wrap", "cat a-*.out")
        c.wait_state(after, "COMPLETED")
        self.assertEqual((c.work / "after.out").read_text().splitlines(),
                         [f"task {task} of {array}" for task in range(1, 6)])
        rows = c.good("sacct", "-X", "-n", "-P", "-j", array, "-o", "JobID,State").splitlines()
        self.assertEqual(sorted(rows), [f"{array}_{task}|COMPLETED" for task in range(1, 6)])

    def test_the_environment_is_the_submitters_and_slurms(self):
        c = self.cluster
        job = c.submit("-n", "2", "-o", "env.out", "--wrap", "env | sort", environment={"MINE": "a b\nc"})
        c.wait_state(job, "COMPLETED")
        text = (c.work / "env.out").read_text()
        for part in (f"SLURM_JOB_ID={job}\n", f"SLURM_JOBID={job}\n", "SLURM_NTASKS=2\n", "MINE=a b\n",
                     f"SLURM_SUBMIT_DIR={c.work}\n", "SLURM_NODEID=0\n", "SLURM_JOB_PARTITION=main\n"):
            self.assertIn(part, text)
        job = c.submit("--export=NONE", "-o", "none.out", "--wrap", "env | sort", environment={"MINE": "x"})
        c.wait_state(job, "COMPLETED")
        text = (c.work / "none.out").read_text()
        self.assertNotIn("MINE=", text)
        self.assertIn(f"SLURM_JOB_ID={job}\n", text)

    def test_a_drained_node_takes_no_job_and_says_why(self):
        c = self.cluster
        c.good("docket", "drain", "n2", "--reason", "bad fan")
        self.assertIn("bad fan", c.good("sinfo", "-R", "-h"))
        job = c.submit("-N", "3", "--wrap", "true")
        self.assertEqual(c.good("squeue", "-h", "-j", job, "-o", "%t").strip(), "PD")
        explained = c.good("docket", "explain", job)
        self.assertIn("n2", explained)
        c.good("docket", "resume", "n2")
        c.wait_state(job, "COMPLETED")

    def test_explain_decides_a_placement_again(self):
        c = self.cluster
        job = c.submit("--wrap", "true")
        c.wait_state(job, "COMPLETED")
        json.loads(c.good("docket", "explain", "--json", job))
        self.assertIn("decided again", c.good("docket", "explain", job))

    def test_the_past_is_shown_as_it_was(self):
        c = self.cluster
        job = c.submit("-H", "--wrap", "true")
        seq = json.loads(c.good("docket", "queue", "--json"))["seq"]
        c.good("scancel", job)
        c.wait_state(job, "CANCELLED")
        self.assertNotIn(str(job), c.good("squeue", "-h", "-o", "%i"))
        self.assertIn(str(job), c.good("docket", "queue", "--at-seq", seq))

    def test_configuration_is_an_event_that_can_be_shown_and_compared(self):
        c = self.cluster
        path = c.work / "config.yaml"
        path.write_text(c.good("docket", "config", "show"))
        done = c.run("docket", "config", "apply", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        path.write_text(path.read_text().replace("limit_max: none", "limit_max: 1-00:00:00", 1))
        done = c.run("docket", "config", "apply", path, "--note", "a day at most")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("a day at most", c.good("docket", "config", "history"))
        done = c.run("sbatch", "-t", "2-00:00:00", "--wrap", "true")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        path.write_text("partitions:\n  - name: main\n    colour: red\n")
        done = c.run("docket", "config", "apply", path)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("colour", done.stderr)

    def test_bad_input_says_what_and_where(self):
        c = self.cluster
        for words, parts in ((("sbatch", "-p", "nowhere", "--wrap", "true"), ["Batch job submission failed", "nvalid partition"]),
                             (("sbatch", "--no-such-option"), ["no-such-option"]),
                             (("sbatch", "-N", "99", "--wrap", "true"), ["node configuration is not available"]),
                             (("sbatch", "/nowhere/x.sh"), ["/nowhere/x.sh"]),
                             (("squeue", "-j", "999999"), ["Invalid job id specified"]),
                             (("scontrol", "show", "job", "999999"), ["Invalid job id specified"]),
                             (("docket", "job", "999999"), ["999999"]),
                             (("docket", "queu"), ["queue"]),
                             (("docket", "queue", "--stat", "x"), ["--stat"])):
            done = c.run(*words)
            self.assertNotEqual(done.returncode, 0, words)
            for part in parts:
                self.assertIn(part, done.stderr, words)
            self.assertEqual(done.stdout, "", words)

    def test_zz_the_log_of_all_this_is_good(self):
        self.cluster.wait_empty()
        self.assertIn("good", self.cluster.audit())


if __name__ == "__main__":
    main()
