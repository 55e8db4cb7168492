#!/usr/bin/env python3
"""What a user gives us: it is nowhere on a disk in plain, and gone for ever when it is erased."""

import hashlib
import os
import pathlib
import random
import shutil
import struct
import unittest

from cluster import Cluster, main, wait_for

USER = os.getuid()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 & -(crc & 1))
    return crc ^ 0xFFFFFFFF


def files_with(folder, word):
    """The files below the folder that have these bytes."""
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
        self.cluster = Cluster(nodes=1, cores=2)
        self.cluster.up()
        self.addCleanup(self.cluster.remove)

    def again(self):
        self.cluster.down()
        self.cluster.up()

    def give(self, *more, name="job.sh", word="swordfish"):
        """A job whose script, environment and arguments have words of their own."""
        script = self.cluster.script(name, f"# the {word}-in-the-script", 'while [ ! -e "$2" ]; do sleep 0.05; done')
        return self.cluster.submit("-o", f"{name}.out", *more, script, f"{word}-as-an-argument", "go",
                                   environment={"TOKEN": f"{word}-in-the-environment"})

    def go(self, *jobs):
        (self.cluster.work / "go").write_text("")
        for job in jobs:
            self.cluster.wait_state(job, "COMPLETED")
        (self.cluster.work / "go").unlink()

    def script_of(self, job, what="--script"):
        return self.cluster.run("docket", "job", what, job)

    def test_nothing_that_a_user_gives_is_in_plain_but_in_the_folder_of_a_running_job(self):
        c = self.cluster
        held, running = self.give("-H", name="held.sh"), self.give()
        c.wait_state(running, "RUNNING")
        for word in ("swordfish-in-the-script", "swordfish-as-an-argument", "swordfish-in-the-environment"):
            for path in files_with(c.dir, word):
                self.assertRegex(path, rf"^nodes/[^/]+/jobs/{running}\.1/", word)
        self.assertTrue(files_with(c.dir, "swordfish-in-the-script"), "a running job has its script")
        self.go(running)
        wait_for("the job's folder to be gone", 20, lambda: not files_with(c.dir, "swordfish"))
        self.assertIn("swordfish-in-the-script", self.script_of(held).stdout)
        self.assertIn("TOKEN=swordfish-in-the-environment\n", self.script_of(held, "--environment").stdout)
        self.assertEqual(files_with(c.dir, "swordfish"), [])
        self.again()
        self.assertIn("swordfish-in-the-script", self.script_of(held).stdout)
        c.good("scontrol", "release", held)
        self.go(held)
        self.assertEqual(os.stat(c.dir / "cluster.key").st_mode & 0o7777, 0o600)
        self.assertEqual(os.stat(c.dir / "user.keys").st_mode & 0o7777, 0o600)

    def check_erased(self, job, reason):
        done = self.script_of(job)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        name = self.cluster.good("id", "-un").strip()
        self.assertRegex(done.stderr, rf"the script of job {job} was erased on 20\d\d-\d\d-\d\dT[\d:]+ by {name}: {reason}")
        self.assertIn("the environment of job", self.script_of(job, "--environment").stderr)
        done = self.cluster.run("scontrol", "write", "batch_script", job, "-")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn(f"was erased on 20", done.stderr)
        self.assertIn("was erased on 20", self.cluster.good("sacct", "-B", "-j", job))

    def test_what_is_erased_is_gone_and_everything_else_is_as_before(self):
        c = self.cluster
        first, pending = self.give(), self.give("-H", name="held.sh")
        c.wait_state(first, "RUNNING")
        done = c.run("docket", "erase", "--user", USER, "--reason", "left us")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"user {USER} has 1 pending and 1 running jobs", done.stderr)
        self.assertIn("swordfish", self.script_of(first).stdout)
        c.good("scancel", pending)
        self.go(first)
        columns = "JobID,JobName,User,Account,State,ExitCode,Submit,Start,End,ElapsedRaw,CPUTimeRAW,NodeList,WorkDir"
        before = c.good("sacct", "-n", "-P", "-o", columns)
        shutil.copytree(c.dir / "blobs", c.root / "blobs")
        shutil.copy2(c.dir / "user.keys", c.root / "user.keys")
        out = c.good("docket", "erase", "--user", c.good("id", "-un").strip(), "--reason", "left us")
        self.assertIn("are erased", out)
        self.check_erased(first, "left us")
        self.assertEqual(c.good("sacct", "-n", "-P", "-o", columns), before)
        event, = c.events("SecretsErased")
        self.assertEqual((event["uid"], event["why"]), (USER, "left us"))
        c.audit()

        # The same script again is a new one, and stays.
        second = self.give()
        c.wait_state(second, "RUNNING")
        self.go(second)
        self.assertIn("swordfish-in-the-script", self.script_of(second).stdout)
        self.check_erased(first, "left us")

        # A projector that is built anew knows it too, from the log.
        c.down()
        shutil.rmtree(c.dir / "views")
        c.up()
        self.check_erased(first, "left us")
        self.assertIn("swordfish-in-the-script", self.script_of(second).stdout)
        c.audit()

        # The controller died before it forgot (or somebody brought the keys back): it does at its start.
        c.down()
        shutil.rmtree(c.dir / "blobs")
        shutil.move(c.root / "blobs", c.dir / "blobs")
        os.chmod(c.dir / "blobs", 0o700)
        key = (c.root / "user.keys").read_bytes()[128:256]
        shutil.move(c.root / "user.keys", c.dir / "user.keys")
        c.up()
        self.check_erased(first, "left us")
        self.assertNotIn(key[56:104], (c.dir / "user.keys").read_bytes())

    def test_a_key_that_others_could_read_or_that_is_missing_stops_the_controller(self):
        c = self.cluster
        self.go(self.give())
        c.down()
        key = c.dir / "cluster.key"
        for change, undo, words in (
                (lambda: key.chmod(0o640), lambda: key.chmod(0o600), "is open to others (mode 0640)"),
                (lambda: key.rename(c.root / "away"), lambda: (c.root / "away").rename(key),
                 "copy it from another controller's host"),
                (lambda: key.write_text("00" * 32), lambda: None, "is not the key that 'user.keys' was made with")):
            text = key.read_text()
            change()
            done = c.run("docketd", "controller", "--dir", c.dir, timeout=20)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(words, done.stderr)
            undo()
            key.write_text(text)
            key.chmod(0o600)
        c.up()

    def test_a_rejected_submission_leaves_nothing(self):
        c = self.cluster
        self.go(self.give())
        pack = c.dir / "blobs" / "000001.pack"
        before = os.stat(pack).st_blocks * 512
        for number in range(6):
            script = c.script("big.sh", "# " + "".join(random.choices("abcdefgh", k=3_000_000)))
            done = c.run("sbatch", "-p", "nowhere", script)
            self.assertNotEqual(done.returncode, 0)
        self.assertLess(os.stat(pack).st_blocks * 512 - before, 9_000_000, "of 18,000,000 that were sent")

    def test_plaintexts_of_an_older_docket_are_sealed_at_the_start(self):
        c = self.cluster
        held = self.give("-H")
        text = (c.work / "job.sh").read_bytes()
        environment = self.script_of(held, "--environment").stdout.encode().replace(b"\n", b"\0")
        spec = [event for event in c.events("JobSubmitted") if event["job"] == held][0]["spec"]
        arguments = b"swordfish-as-an-argument\0go\0"
        c.down()
        pack = bytearray()
        for blob, digest in ((text, spec["script"]), (environment, spec["launch"]["environment"]),
                             (arguments, spec["launch"]["arguments"]), (b"of nobody: swordfish", None)):
            if digest is not None:
                self.assertEqual(hashlib.sha256(blob).hexdigest(), digest)
            covered = struct.pack("<II", len(blob), 0) + hashlib.sha256(blob).digest() + blob
            pack += b"DKB1" + struct.pack("<I", crc32c(covered)) + covered
            pack += bytes(-len(pack) % 8)
        for name in ("cluster.key", "user.keys", "blobs/000001.pack"):
            (c.dir / name).unlink()
        (c.dir / "blobs/000001.pack").write_bytes(pack)
        self.assertEqual(files_with(c.dir, "swordfish"), ["blobs/000001.pack"])
        c.up()
        self.assertEqual(files_with(c.dir, "swordfish"), [])
        self.assertEqual(self.script_of(held).stdout.encode(), text)
        c.good("scontrol", "release", held)
        c.wait_state(held, "RUNNING")
        self.go(held)
        c.good("docket", "erase", "--user", USER)
        self.assertEqual(self.script_of(held).returncode, 1)


if __name__ == "__main__":
    main()
