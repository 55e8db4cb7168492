#!/usr/bin/env python3
"""A history moves from a folder into a real Kafka and out of it again: the same events, chain, checkpoints, files."""

import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from broker import SKIPPED, Broker, available  # noqa: E402
from cluster import BUILD, SLOW, Cluster, main  # noqa: E402


class Exchange(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="docket-exchange-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.work = pathlib.Path(cls.folder.name)
        cls.kafka = Broker(cls.work / "kafka")
        cls.addClassCleanup(cls.kafka.down)
        cls.kafka.up()
        cls.good("generate", "--jobs", "3000", "--output", "t.swf")
        cls.good("replay", "t.swf", "--log", "file:log")
        cls.good("audit", "keygen", "audit.key")
        cls.good("audit", "checkpoint", "file:log", "--key", "audit.key", "--output", "daily.ckpt")
        cls.good("log", "export", "file:log", "--output", "log.avro")

    @classmethod
    def run_docket(cls, *words):
        return subprocess.run([BUILD / "bin/docket", *words], cwd=cls.work, capture_output=True, text=True,
                              timeout=120 * SLOW)

    @classmethod
    def good(cls, *words):
        done = cls.run_docket(*words)
        if done.returncode != 0:
            raise AssertionError(f"docket {' '.join(map(str, words))}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def address(self, name):
        return f"kafka://{self.kafka.servers}/{name}"

    def holds(self, log):
        answer = json.loads(self.good("audit", "verify", log, "--checkpoint", "daily.ckpt", "--public-key",
                                      "audit.key.pub", "--json"))
        self.assertEqual([row["verdict"] for row in answer["checkpoints"]], ["holds"])
        return answer

    def test_into_kafka_and_out_again(self):
        log = self.address("moved")
        self.good("log", "import", "log.avro", "--log", log)
        self.holds(log)
        self.assertEqual(self.good("log", "cat", log), self.good("log", "cat", "file:log"))
        for words in (["log", "verify", log], ["log", "stat", log]):
            self.assertIn(log, self.good(*words))
        self.good("log", "export", log, "--output", "again.avro")
        self.assertEqual((self.work / "again.avro").read_bytes(), (self.work / "log.avro").read_bytes())
        self.good("log", "export", log, "--output", "piece.avro", "--from", "5000", "--to", "6000")
        self.good("log", "export", "file:log", "--output", "same.avro", "--from", "5000", "--to", "6000")
        self.assertEqual((self.work / "piece.avro").read_bytes(), (self.work / "same.avro").read_bytes())
        self.good("audit", "checkpoint", log, "--key", "audit.key", "--output", "kafka.ckpt")
        refused = self.run_docket("log", "import", "log.avro", "--log", log)
        self.assertEqual(refused.returncode, 3)
        self.assertIn("not new", refused.stderr)

    def killed_import(self, log):
        """Killed as soon as a part of it is in the log; False: it was over before that was seen."""
        importing = subprocess.Popen([BUILD / "bin/docket", "log", "import", "long.avro", "--log", log], cwd=self.work,
                                     stdout=subprocess.DEVNULL)
        end = time.monotonic() + 60 * SLOW
        while importing.poll() is None:
            self.assertLess(time.monotonic(), end, "the import does not end")
            seen = self.run_docket("log", "stat", log, "--json")
            if seen.returncode == 0 and json.loads(seen.stdout)["events"] > 0:
                importing.kill()
        seen = json.loads(self.good("log", "stat", log, "--json"))
        whole = json.loads(self.good("log", "stat", "file:long", "--json"))["events"]
        self.assertEqual(seen["importing"], importing.returncode != 0 and seen["events"] < whole, seen)
        return seen["importing"]

    def test_an_import_that_is_killed_goes_on(self):
        self.good("generate", "--jobs", "50000", "--output", "long.swf")
        self.good("replay", "long.swf", "--log", "file:long")
        self.good("log", "export", "file:long", "--output", "long.avro")
        log = next((log for log in map(self.address, ("killed1", "killed2", "killed3")) if self.killed_import(log)), None)
        self.assertIsNotNone(log, "each import was over before it could be killed")
        again = ("log", "import", "long.avro", "--log", log)
        self.assertIn("went on at", self.good(*again))
        self.assertIn("not new", self.run_docket(*again).stderr)
        self.good("log", "export", log, "--output", "whole.avro")
        self.assertEqual((self.work / "whole.avro").read_bytes(), (self.work / "long.avro").read_bytes())

    def test_a_cluster_moves_from_a_folder_into_kafka_with_its_jobs(self):
        old = Cluster(nodes=2, cores=2)
        self.addCleanup(old.remove)
        old.up()
        done = old.submit("-o", "/dev/null", "--wrap", "true")
        waiting = old.submit("-H", "-o", f"{old.work}/moved.out", "--wrap", "echo moved")
        old.wait_state(done, "COMPLETED")
        old.down()
        old.good("docket", "audit", "checkpoint", "--key", self.work / "audit.key", "--output", "old.ckpt")
        old.good("docket", "log", "export", "--output", "old.avro")
        log = self.address("cluster")
        old.good("docket", "log", "import", "old.avro", "--log", log)
        new = Cluster(nodes=2, cores=2)
        self.addCleanup(new.remove)
        new.dir.mkdir()
        for name in ("cluster.key", "user.keys", "blobs"):  # what is not in a log
            subprocess.run(["cp", "-a", old.dir / name, new.dir], check=True)
        new.up("--log", log)
        new.good("scontrol", "release", waiting)
        new.wait_state(waiting, "COMPLETED")
        self.assertEqual((old.work / "moved.out").read_text(), "moved\n")
        self.assertEqual(new.state(done), "COMPLETED")
        self.assertEqual(new.submit("-o", "/dev/null", "--wrap", "true"), waiting + 1)
        new.wait_empty()
        self.assertIn(": holds", new.good("docket", "audit", "verify", "--checkpoint", old.work / "old.ckpt",
                                          "--public-key", self.work / "audit.key.pub"))


if __name__ == "__main__":
    why = available()
    if why:
        print(f"skipped: {why}")
        sys.exit(SKIPPED)
    main()
