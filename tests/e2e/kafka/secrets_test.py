#!/usr/bin/env python3
"""What a user gives us when the log is on a real Kafka: sealed at whichever door it comes in, opened where it is
needed, nowhere in plain, neither on the brokers' disks, and gone at every host when it is erased. Two folders, as if on two hosts."""

import os
import pathlib
import shutil
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from broker import Broker, available  # noqa: E402
from cluster import BUILD, Cluster, main, wait_for  # noqa: E402

if available() is not None:
    print(f"skipped: {available()}")
    sys.exit(77)


def files_with(folder, word):
    found = []
    for path in sorted(pathlib.Path(folder).rglob("*")):
        try:
            if path.is_file() and not path.is_symlink() and word.encode() in path.read_bytes():
                found.append(str(path.relative_to(folder)))
        except FileNotFoundError:
            pass
    return found


class Secrets(unittest.TestCase):
    def setUp(self):
        self.cluster = c = Cluster(nodes=1, cores=4)
        self.addCleanup(c.remove)
        self.kafka = self.enterContext(Broker(c.root / "kafka"))
        self.log = f"kafka://{self.kafka.servers}/secrets"
        self.addCleanup(c.down)  # before the broker
        self.addCleanup(self.stop)
        self.processes = []
        c.up("--log", self.log)
        self.other = c.root / "other"
        self.other.mkdir()
        shutil.copy2(c.dir / "cluster.key", self.other / "cluster.key")
        (self.other / "docket.conf").write_text(f"log = {self.log}\n")
        for part in ("controller", "projector"):
            self.start(part)
        wait_for("the other host", 30, lambda: self.there("docket", "queue").returncode == 0)
        wait_for("its door", 30, (self.other / "run/control.sock").exists)

    def start(self, part):
        with open(self.other / f"{part}.said", "ab") as said:
            self.processes.append(subprocess.Popen([BUILD / "bin/docketd", part, "--dir", self.other], stderr=said))

    def stop(self):
        for process in self.processes:
            process.terminate()
            process.wait(60)
        said = "".join(path.read_text(errors="replace") for path in self.other.glob("*.said"))
        self.assertNotRegex(said, "Sanitizer:|runtime error:|internal error")

    def there(self, *words):
        """A command on the other host."""
        return self.cluster.run(*words, environment={"DOCKET_DIR": str(self.other)})

    def give(self, name, there=False, word="swordfish"):
        c = self.cluster
        script = c.script(name, f"# the {word}-in-the-script", "true")
        words = ("sbatch", "--parsable", "-o", f"{name}.out", script, f"{word}-as-an-argument")
        done = self.there(*words) if there else c.run(*words)
        self.assertEqual(done.returncode, 0, done.stderr + c.remarks())
        return int(done.stdout)

    def test_scripts_of_every_door_run_are_in_plain_nowhere_and_are_erased_everywhere(self):
        c = self.cluster
        first, second = self.give("first.sh"), self.give("second.sh", there=True)
        for job in (first, second):
            c.wait_state(job, "COMPLETED")
            self.assertIn("swordfish", c.good("docket", "job", "--script", job))
            wait_for("the script at the other host", 20,
                     lambda: "swordfish" in self.there("docket", "job", "--script", job).stdout)
        wait_for("jobs' folders to be gone", 20, lambda: not files_with(c.dir, "swordfish"))
        for folder in (self.other, c.root / "kafka"):
            self.assertEqual(files_with(folder, "swordfish"), [])

        done = self.there("docket", "erase", "--user", os.getuid(), "--reason", "left us")
        self.assertEqual(done.returncode, 0, done.stderr)
        for run in (c.run, self.there):
            wait_for("the erasure", 20, lambda: run("docket", "job", "--script", first).returncode == 1)
            self.assertRegex(run("docket", "job", "--script", second).stderr, "was erased on 20.*: left us")
        for folder in (c.dir, self.other):
            def kinds():
                keys = (folder / "user.keys").read_bytes()
                return sorted(keys[at] for at in range(128, len(keys), 128) if keys[at])
            wait_for("keys to be overwritten", 20, lambda: kinds() == [2])

        third = self.give("third.sh", there=True)
        c.wait_state(third, "COMPLETED")
        self.assertIn("swordfish", c.good("docket", "job", "--script", third))
        c.good("docket", "audit", "verify", self.log)

    def test_a_controller_of_another_cluster_key_is_refused(self):
        for path in self.other.glob("user.keys"):
            path.unlink()
        (self.other / "cluster.key").write_text("ab" * 32 + "\n")
        done = self.there("docketd", "controller", "--dir", self.other)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("is not the key of this cluster: copy it", done.stderr)
        (self.other / "cluster.key").unlink()
        done = self.there("docketd", "controller", "--dir", self.other)
        self.assertIn("copy it from another controller's host", done.stderr)


if __name__ == "__main__":
    main()
