#!/usr/bin/env python3
"""squeue, sinfo, sacct, sprio and sdiag as the programs call them that people already use with Slurm.

The calls and the patterns are those of the clients: monitors, workflow engines, MPI launchers, a portal.
"""

import grp
import json
import os
import re
import time

from cluster import ClusterCase, main, wait_for

PORTAL_FIELDS = (  # of Open OnDemand: a one-byte suffix, no width, a comma behind the last
    "Account JobID BatchHost MinCpus NumCPUs MinTmpDisk NumNodes EndTime Dependency Feature ArrayJobID GroupName GroupID "
    "OverSubscribe Sockets JobArrayID Cores Name Threads Comment ArrayTaskID TimeLimit TimeLeft MinMemory TimeUsed "
    "ReqNodes NodeList Command Contiguous QOS Partition PriorityLong Reason StartTime StateCompact State UserName UserID "
    "Reservation SubmitTime WCKey Licenses ExcNodes CoreSpec Nice SchedNodes SCT WorkDir tres-alloc tres-per-node"
).split()


class Lists(ClusterCase):
    nodes, cores = 3, 2

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        c = cls.cluster
        cls.done = c.submit("-J", "done", "--comment", "a b", "-o", "done.out", "-t", "5", "--wrap", "echo hello")
        cls.failed = c.submit("-J", "failed", "--wrap", "exit 3")
        c.wait_state(cls.done, "COMPLETED")
        c.wait_state(cls.failed, "FAILED")
        cls.running = c.submit("-J", "running", "-N", "2", "-t", "30", "--mem", "64", "--wrap", "sleep 300")
        c.wait_state(cls.running, "RUNNING")
        cls.array = c.submit("-J", "array", "-N", "3", "--exclusive", "--array", "0-9%2", "--wrap", "sleep 300")
        cls.held = c.submit("-H", "-J", "held", "--wrap", "true")
        cls.cancelled = c.submit("-H", "-J", "cancelled", "--wrap", "true")
        c.good("scancel", cls.cancelled)
        c.wait_state(cls.cancelled, "CANCELLED")
        wait_for("the array to be listed", 10, lambda: str(cls.array) in c.good("squeue", "-h", "-o", "%F"))

    def lines(self, *words):
        return self.cluster.good(*words).splitlines()

    # --- people ---

    def test_what_people_see(self):
        heading, *rows = self.lines("squeue")
        self.assertEqual(heading, "             JOBID PARTITION     NAME     USER ST       TIME  NODES NODELIST(REASON)")
        shown = {row.split()[0]: row.split() for row in rows}
        self.assertEqual(set(shown), {str(self.running), f"{self.array}_[0-9%2]", str(self.held)})
        self.assertEqual(shown[str(self.running)][4], "R")
        self.assertRegex(shown[str(self.running)][7], r"^n\[1-2\]$|^n\[2-3\]$|^n\[1,3\]$")
        self.assertEqual(shown[str(self.held)][7], "(JobHeldUser)")
        self.assertEqual(shown[f"{self.array}_[0-9%2]"][7], "(Resources)")

    def test_an_array_is_one_row_or_one_a_task(self):
        self.assertEqual(len(self.lines("squeue", "-h", "-r", "-n", "array")), 10)
        self.assertEqual(self.lines("squeue", "-h", "-j", f"{self.array}_3", "-o", "%i %K %F"),
                         [f"{self.array}_3 3 {self.array}"])
        self.assertEqual(self.lines("squeue", "-h", "-j", f"{self.array}", "-o", "%i|%K"),
                         [f"{self.array}_[0-9%2]|0-9%2"])

    def test_when_jobs_are_expected_to_start(self):
        heading, *rows = self.lines("squeue", "--start", "-o", "%i|%S|%Y|%r")
        shown = {row.split("|")[0]: row.split("|")[1:] for row in rows}
        self.assertEqual(set(shown), {f"{self.array}_[0-9%2]", str(self.held)})
        start, nodes, _ = shown[f"{self.array}_[0-9%2]"]
        (end,) = self.lines("squeue", "-h", "-j", self.running, "-o", "%e")
        self.assertEqual((start, nodes), (end, "n[1-3]"))  # the running job's limit
        self.assertEqual(shown[str(self.held)][:2], ["N/A", "(null)"])
        self.assertEqual(self.lines("squeue", "-h", "-j", f"{self.array}", "-o", "%Y"), ["(null)"])  # not asked for
        (row,) = self.lines("docket", "queue", "--start", "--name", "array", "--no-header", "--fields", "planned,planned_nodes")
        self.assertRegex(row, r"^20\d\d-\S+ +n\[1-3\]\s*$")

    def test_groups_have_names(self):
        name = grp.getgrgid(os.getgid()).gr_name
        self.assertEqual(self.lines("squeue", "-h", "-j", self.held, "-o", "%g %G"), [f"{name} {os.getgid()}"])
        self.assertEqual(self.lines("docket", "queue", str(self.held), "--no-header", "--fields", "group"), [name])
        self.assertEqual(self.lines("docket", "acct", str(self.done), "--no-header", "--fields", "group"), [name])

    # --- monitors ---

    def test_the_exporters_queue(self):
        rows = self.lines("squeue", "-a", "-r", "-h", "-o %A|%u|%T|%C")
        self.assertEqual(len(rows), 12)
        for row in rows:
            self.assertRegex(row, r"^ \d+\|\w+\|(PENDING|RUNNING)\|\d+$")
        rows = self.lines("squeue", "-a", "-r", "-h", "-o %A,%T,%r", "--states=all")
        self.assertIn(f" {self.failed},FAILED,NonZeroExitCode", rows)
        self.assertEqual(set(self.lines("squeue", "-a", "-r", "-h", "-o%P", "--states=PENDING")), {"main"})

    def test_the_exporters_nodes(self):
        (cores,) = self.lines("sinfo", "-h", "-o %C")
        allocated, idle, other, total = map(int, cores.strip().split("/"))
        self.assertEqual((allocated + idle + other, total), (6, 6))
        rows = self.lines("sinfo", "-h", "-N", "-O", "NodeList,AllocMem,Memory,CPUsState,StateLong")
        self.assertEqual(len(rows), 3)
        for row in rows:
            self.assertRegex(row, r"^n\d +\d+ +\d+ +\d+/\d+/\d+/\d+ +(idle|mixed|allocated)")
        for row in self.lines("sinfo", "-h", "-o %D,%T"):
            self.assertRegex(row, r"^ \d+,[a-z]+$")
        self.assertRegex(self.lines("sinfo", "-h", "-o%R,%C")[0], r"^main,\d+/\d+/\d+/6$")
        self.assertRegex(self.lines("sinfo", "-aho", "%F/%C")[0], r"^(\d+/){7}\d+$")
        done = self.cluster.run("sacct", "-a", "-X", "--format=Allocgres", "--state=RUNNING", "--noheader",
                                "--parsable2")
        self.assertEqual(done.returncode, 1)
        self.assertIn("AllocGRES has been removed", done.stderr)

    def test_the_exporters_scheduler(self):
        text = self.cluster.good("sdiag")
        at = 0
        for pattern in (r"^Server thread count: +(\d+)$", r"^Agent queue size: +(\d+)$",
                        r"^DBD Agent queue size: +(\d+)$", r"^\tLast cycle: +(\d+)$", r"^\tMean cycle: +(\d+)$",
                        r"^\tCycles per minute: +(\d+)$",
                        r"^\tTotal backfilled jobs \(since last slurm start\): +(\d+)$",
                        r"^\tTotal backfilled jobs \(since last stats cycle start\): +(\d+)$",
                        r"^\tTotal backfilled heterogeneous job components: +(\d+)$", r"^\tDepth Mean: +(\d+)$"):
            found = re.compile(pattern, re.M).search(text, at)
            self.assertIsNotNone(found, pattern)
            at = found.end()

    def test_priorities_are_of_those_that_wait_for_their_turn(self):
        rows = self.lines("sprio", "-h", "-o", "%i %r %Y")
        self.assertEqual([row.split()[0] for row in rows], [str(self.array)])
        self.assertIn("Unable to find jobs matching", self.cluster.good("sprio", "-j", self.done))

    # --- workflow engines and launchers ---

    def test_polling_by_sacct(self):
        rows = self.lines("sacct", "-o", "JobID,State,NodeList", "--parsable2", "-j", self.done, "-j", self.array)
        self.assertEqual(rows[0], "JobID|State|NodeList")
        self.assertRegex(rows[1], rf"^{self.done}\|COMPLETED\|n\d$")
        self.assertRegex(rows[2], rf"^{self.done}\.batch\|COMPLETED\|n\d$")
        self.assertEqual(rows[3], f"{self.array}_[0-9%2]|PENDING|None assigned")
        self.assertEqual(self.lines("sacct", "-P", "-n", "--format=JobIdRaw,State", "-j", self.failed),
                         [f"{self.failed}|FAILED", f"{self.failed}.batch|FAILED"])
        self.assertEqual(self.lines("sacct", "-X", "-n", "-P", "-j", self.cancelled, "-o", "State"),
                         ["CANCELLED by 0"] if self.lines("id", "-u") == ["0"] else
                         [f"CANCELLED by {self.lines('id', '-u')[0]}"])
        hour = time.strftime("%Y-%m-%dT%H:00")
        self.assertEqual(self.lines("sacct", "-X", "--parsable2", "--clusters", "all", "--noheader",
                                    "--format=JobIdRaw,State", "--starttime", hour, "--endtime", "now", "--name", "done"),
                         [f"{self.done}|COMPLETED"])
        self.assertEqual(self.lines("sacct", "-n", "-j", "999999"), [])
        self.assertEqual(self.lines("sacct", "-j", f"{self.done}.0", "--format=Reason", "--noheader"), [])
        self.assertEqual(self.lines("sacct", "-n", "-X", "-P", "-j", self.failed, "-o", "ExitCode,DerivedExitCode"),
                         ["3:0|0:0"])
        (node,) = self.lines("sacct", "-j", self.done, "-n", "-X", "-o", "nodelist%-256")
        self.assertRegex(node, r"^n\d {254} $")

    def test_the_usage_of_a_job(self):
        row = self.lines("sacct", "-n", "-P", "-j", f"{self.done}.batch", "-o",
                         "JobName,Elapsed,TotalCPU,NCPUS,MaxRSS,ReqMem,NTasks")[0].split("|")
        self.assertEqual(row[0], "batch")
        self.assertRegex(row[1], r"^\d\d:\d\d:\d\d$")
        self.assertRegex(row[2], r"^\d\d:\d\d(:\d\d|\.\d{3})$")
        self.assertRegex(row[4], r"^\d+K$|^\d+M$|^0$")
        self.assertEqual(self.lines("sacct", "-n", "-X", "-P", "--units", "G", "-j", self.running, "-o", "ReqMem"),
                         ["0.12G"])

    def test_polling_by_squeue(self):
        self.assertRegex(self.lines("squeue", "-h", "-j", self.running, "-o", "%L")[0], r"^(29|30):\d\d$")
        self.assertEqual(self.lines("squeue", "--format=%i|%T", "--states=all", "--noheader", "--name", "failed"),
                         [f"{self.failed}|FAILED"])
        self.assertEqual(self.lines("squeue", "-h", "-j", self.done), [])  # ended, and still known
        self.assertEqual(self.lines("squeue", "-h", "-t", "all", "-j", self.done, "-o", "%i|%t|%T|%k|%A|%r"),
                         [f"{self.done}|CD|COMPLETED|a b|{self.done}|None"])
        done = self.cluster.run("squeue", "-j", "999999")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr, "slurm_load_jobs error: Invalid job id specified\n")
        self.assertEqual(self.lines("squeue", "-h", "-j", "999998,999999"), [])

    # --- a portal ---

    def test_the_portals_fields(self):
        text = self.cluster.good("squeue", "--all", "--states=all", "--noconvert", "-O",
                                 "".join(f"{name}:\x1f," for name in PORTAL_FIELDS))
        heading, *rows = text.split("\x1f\n")
        self.assertEqual(heading.count("\x1f"), len(PORTAL_FIELDS) - 1)
        self.assertEqual(rows.pop(), "")
        jobs = {}
        for row in rows:
            cells = dict(zip(PORTAL_FIELDS, row.split("\x1f")))
            self.assertEqual(len(cells), len(PORTAL_FIELDS))
            jobs[cells["JobArrayID"]] = cells
        running = jobs[str(self.running)]
        self.assertEqual((running["StateCompact"], running["MinMemory"], running["NumNodes"]), ("R", "64M", "2"))
        self.assertEqual(jobs[str(self.cancelled)]["StateCompact"], "CA")
        self.assertRegex(running["StartTime"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$")
        self.assertEqual(self.lines("sinfo", "-aho", "%F/%C")[0].split("/")[3], "3")
        rows = self.cluster.good("sinfo", "-ho", "\x1e%c\x1f%n\x1f%f")
        self.assertRegex(rows, r"^\x1e2\x1f\S+\x1f\(null\)\n")

    def test_json(self):
        queue = json.loads(self.cluster.good("squeue", "--json"))
        jobs = {job["job_id"]: job for job in queue["jobs"]}
        self.assertEqual(jobs[self.running]["job_state"], "RUNNING")
        self.assertEqual(jobs[self.array]["array_task_string"], "0-9%2")
        self.assertEqual(jobs[self.failed]["exit_code"], 3 * 256)
        nodes = json.loads(self.cluster.good("sinfo", "--json"))["nodes"]
        self.assertEqual([node["name"] for node in nodes], ["n1", "n2", "n3"])
        (job,) = json.loads(self.cluster.good("sacct", "--json", "-j", self.done))["jobs"]
        self.assertEqual(job["exit_code"], {"status": "SUCCESS", "return_code": 0})
        self.assertEqual([step["step"]["id"] for step in job["steps"]], ["batch"])

    def test_every_field_there_is_has_a_row(self):
        fields = self.cluster.good("sacct", "-e").split()
        self.assertEqual(len(fields), 109)
        rows = self.lines("sacct", "-P", "-o", ",".join(fields), "-j", self.done)
        self.assertEqual([row.count("|") for row in rows], [len(fields) - 1] * 3)
        self.assertEqual(len(self.lines("squeue", "-o", "%all", "-j", self.running)), 2)
        self.assertGreaterEqual(len(self.lines("sinfo", "-o", "%all")), 2)


if __name__ == "__main__":
    main()
