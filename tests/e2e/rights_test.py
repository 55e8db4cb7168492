#!/usr/bin/env python3
"""Another user can neither end, change nor read what is not theirs; every such try is recorded. As root only."""

import os
import subprocess
import sys
import unittest

from cluster import ClusterCase, main

if os.getuid() != 0:
    print("skipped: only root can be several users")
    sys.exit(77)


class Rights(ClusterCase):
    def submit_as(self, user, *words):
        return self.cluster.submit(*words, user=user)

    def test_jobs_run_as_their_submitters(self):
        c = self.cluster
        job = self.submit_as("nobody", "-o", "who.out", "--wrap", "id -un; id -G; umask")
        c.wait_state(job, "COMPLETED")
        lines = (c.work / "who.out").read_text().splitlines()
        self.assertEqual(lines[0], "nobody")
        self.assertEqual((c.work / "who.out").stat().st_uid, int(c.good("id", "-u", "nobody")))

    def test_another_users_job_cannot_be_touched(self):
        c = self.cluster
        job = self.submit_as("nobody", "-H", "--wrap", "true")
        for words in (("scancel", job), ("scontrol", "hold", job), ("scontrol", "release", job),
                      ("scontrol", "update", f"JobId={job}", "TimeLimit=5"), ("scontrol", "requeue", job)):
            done = c.run(*words, user="daemon")
            self.assertNotEqual(done.returncode, 0, f"{words}: {done}")
        self.assertEqual(c.state(job), "PENDING")
        refused = [event for event in c.events("RequestRejected") if event["reason"] == "NOT_PERMITTED"]
        self.assertGreaterEqual(len(refused), 4)
        self.assertEqual({event["actor"]["user"] for event in refused}, {"daemon"})
        self.assertEqual(c.run("scancel", job, user="nobody").returncode, 0)
        c.wait_state(job, "CANCELLED")

    def test_scripts_are_secrets(self):
        c = self.cluster
        job = self.submit_as("nobody", "-H", "--wrap", "echo the-secret-word")
        mine = c.run("scontrol", "write", "batch_script", job, "-", user="nobody")
        self.assertIn("the-secret-word", mine.stdout, mine.stderr)
        for user in ("daemon",):
            done = c.run("scontrol", "write", "batch_script", job, "-", user=user)
            self.assertNotEqual(done.returncode, 0)
            self.assertNotIn("secret", done.stdout + done.stderr)
        self.assertEqual(c.run("sh", "-c", f"cat {c.dir}/blobs/* {c.dir}/log/* {c.dir}/views/*", user="daemon").stdout, "")
        self.assertNotIn("the-secret-word", c.good("docket", "log", "cat", f"file:{c.dir}/log"))
        c.good("scancel", job)

    def test_only_operators_change_nodes_and_configuration(self):
        c = self.cluster
        self.assertNotEqual(c.run("docket", "drain", "n1", "--reason", "mine", user="nobody").returncode, 0)
        path = c.work / "config.yaml"
        path.write_text(c.good("docket", "config", "show").replace("kill_wait: 30s", "kill_wait: 1s"))
        path.chmod(0o644)
        self.assertNotEqual(c.run("docket", "config", "apply", path, user="nobody").returncode, 0)
        self.assertNotIn("drain", c.good("sinfo", "-h", "-o", "%t"))

    def test_nobody_else_may_speak_for_a_node(self):
        c = self.cluster
        job = self.submit_as("nobody", "--wrap", "sleep 20")
        c.wait_state(job, "RUNNING")
        done = c.run("curl", "-s", "--unix-socket", f"{c.dir}/run/control.sock", "-H", "Content-Type: application/json", "-d",
                     '{"type":"ReportEnd","job":%d,"attempt":1,"state":"COMPLETED"}' % job, "http://x/v1/requests", user="nobody")
        self.assertIn("NOT_PERMITTED", done.stdout)
        self.assertEqual(c.state(job), "RUNNING")
        c.good("scancel", job)

    def test_one_user_can_not_close_a_socket_to_others(self):
        c = self.cluster
        hog = ("import resource, signal, socket, sys, time\n"
               "resource.setrlimit(resource.RLIMIT_NOFILE, (3000, 3000))\n"
               "signal.signal(signal.SIGPIPE, signal.SIG_IGN)\n"
               "held = []\n"
               "for path in sys.argv[1:]:\n"
               "    for _ in range(1400):\n"
               "        s = socket.socket(socket.AF_UNIX)\n"
               "        s.connect(path)\n"
               "        try: s.sendall(b'POST /v1/requests HTTP/1.1\\r\\nHost: x\\r\\n')\n"
               "        except OSError: pass\n"
               "        held.append(s)\n"
               "print(len(held), flush=True)\n"
               "time.sleep(600)\n")
        sockets = [f"{c.dir}/run/control.sock", f"{c.dir}/run/query.sock"]
        with subprocess.Popen(["/usr/bin/env", "-i", "/usr/bin/python3", "-c", hog, *sockets], user="nobody", cwd="/",
                              stdout=subprocess.PIPE, text=True) as stranger:
            try:
                self.assertEqual(stranger.stdout.readline(), "2800\n")
                job = c.submit("--wrap", "true", timeout=5)
                c.wait_state(job, "COMPLETED")
                c.wait_state(self.submit_as("daemon", "-o", "/dev/null", "--wrap", "true"), "COMPLETED")
            finally:
                stranger.kill()


if __name__ == "__main__":
    main()
