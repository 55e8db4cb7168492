#!/usr/bin/env python3
"""A disk that fills up: said, nothing acknowledged is lost, running jobs go on, and all is well when there is space again."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from cluster import Cluster, main, wait_for



def mount(folder, size):
    return subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", folder],
                          capture_output=True, check=False).returncode == 0


def can_mount():
    with tempfile.TemporaryDirectory() as folder:
        return mount(folder, "1m") and subprocess.run(["umount", folder], check=False).returncode == 0


if os.getuid() != 0 or not can_mount():
    print("skipped: a small file system can't be mounted here")
    sys.exit(77)


class FullDisk(unittest.TestCase):
    def setUp(self):
        self.disk = pathlib.Path(tempfile.mkdtemp(prefix="docket-e2e-disk-"))
        self.assertTrue(mount(self.disk, "96m"))
        self.addCleanup(self.unmount)
        self.cluster = Cluster(nodes=2, cores=2, folder=self.disk / "cluster").up()
        self.addCleanup(self.cluster.remove)

    def unmount(self):
        subprocess.run(["umount", "-l", self.disk], check=False)
        self.disk.rmdir()

    def test_a_full_disk_is_said_and_survived(self):
        c = self.cluster
        running = c.submit("-o", "long.out", "--wrap", "while [ ! -e go ]; do sleep 0.1; done; echo done")
        c.wait_state(running, "RUNNING")
        acknowledged = []
        with open(self.disk / "filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(b"x" * 65536)
            except OSError:
                pass
        refused = None
        for i in range(4000):
            script = c.script("large.sh", "#" + "x" * 20000 + str(i))
            done = c.run("timeout", "3", "sbatch", "--parsable", "-H", "-o", "/dev/null", script)
            if done.returncode != 0:
                refused = done
                break
            acknowledged.append(int(done.stdout.split(";")[0]))
        self.assertIsNotNone(refused)
        self.assertEqual(refused.stdout, "")
        self.assertEqual(c.state(running), "RUNNING")
        (self.disk / "filler").unlink()
        wait_for("space again", 30, lambda: c.run("timeout", "5", "sbatch", "-H", "-o", "/dev/null", "--wrap", "true").returncode == 0)
        (c.work / "go").touch()
        c.wait_state(running, "COMPLETED")
        waiting = {int(line) for line in c.good("squeue", "-h", "-o", "%A").split()}
        self.assertEqual([job for job in acknowledged if job not in waiting], [])
        for part in ("controller", "projector"):
            c.kill(part)
        wait_for("the cluster again", 30, lambda: c.run("squeue", "-h").returncode == 0)
        waiting = {int(line) for line in c.good("squeue", "-h", "-o", "%A").split()}
        self.assertEqual([job for job in acknowledged if job not in waiting], [])
        self.assertIn("good", c.audit())


if __name__ == "__main__":
    main()
