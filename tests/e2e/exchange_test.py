#!/usr/bin/env python3
"""What a log was is proven offline by signed checkpoints, and a whole history moves to another place.

A real cluster runs jobs under two controllers; its head is signed after each. Then its log is cut, rewritten
and swapped the way somebody with the files could, the chain computed anew, and each is called by its name.
"""

import hashlib
import json
import pathlib
import re
import resource
import shutil
import signal
import struct
import subprocess
import unittest

from cluster import BUILD, Cluster, main

HEADER, SEGMENT_HEADER = 40, 64  # core/decisions/0002


def crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 & -(byte & 1))
        table.append(byte)
    return table


CRC = crc32c_table()


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = (value >> 8) ^ CRC[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


class Segment:
    """A plain segment, taken apart: somebody who has read the format, and no docket."""

    def __init__(self, path):
        self.path, self.data = path, bytearray(path.read_bytes())

    def frames(self):
        at = SEGMENT_HEADER
        while at + HEADER <= len(self.data) and self.data[at:at + 4] == b"dkB1":
            size, _, _, count, kind = struct.unpack_from("<IIQII", self.data, at + 8)
            yield at, size, count if kind == 0 else 0
            at += size

    def records(self, at, count):
        """(start, size) of each record of the frame at `at`."""
        start = at + HEADER + 4 * count
        for size in struct.unpack_from(f"<{count}I", self.data, at + HEADER):
            yield start, size
            start += size

    def seal(self, at, size):
        struct.pack_into("<I", self.data, at + 4, crc32c(self.data[at + 8:at + size]))

    def chain_anew(self):
        """BatchClosed ends with the chain: SHA-256 of the one before and of the events (0004)."""
        closed = b""
        for at, size, count in self.frames():
            if count == 0:
                continue
            records = [bytes(self.data[start:start + n]) for start, n in self.records(at, count)]
            link = hashlib.sha256(b"".join(struct.pack("<I", len(record)) + record
                                           for record in [closed] + records[:-1])).digest()
            start, n = list(self.records(at, count))[-1]
            self.data[start + n - 32:start + n] = link
            self.seal(at, size)
            closed = bytes(self.data[start:start + n])

    def write(self):
        self.path.write_bytes(self.data)
        (self.path.parent / "page").unlink(missing_ok=True)  # it knows what was durable


class Exchange(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = c = Cluster(nodes=2, cores=2)
        try:
            cls.make_history(c)
        except BaseException:
            c.remove()
            raise

    @classmethod
    def make_history(cls, c):
        c.good("docket", "audit", "keygen", "audit.key")
        for round_ in range(2):
            c.up()
            for job in [c.submit("-o", "/dev/null", "--wrap", "true") for _ in range(4)]:
                c.wait_state(job, "COMPLETED")
            refused = c.run("sbatch", "-p", "nowhere-at-all", "--wrap", "true")
            assert refused.returncode != 0, refused.stdout
            if round_ == 0:  # while the controller writes
                c.good("docket", "audit", "checkpoint", "--key", "audit.key", "--output", "daily.ckpt")
            assert c.down().returncode == 0
        c.good("docket", "audit", "checkpoint", "--key", "audit.key", "--output", "daily.ckpt")
        cls.lines = (c.work / "daily.ckpt").read_text().splitlines()
        cls.seqs = [json.loads(line)["seq"] for line in cls.lines]
        cls.log = c.dir / "log"

    @classmethod
    def tearDownClass(cls):
        cls.cluster.remove()

    def copy(self, name):
        """The log's folder, to be tampered with; its only segment."""
        to = self.cluster.work / name
        shutil.copytree(self.log, to)
        self.addCleanup(shutil.rmtree, to)
        segments = sorted(to.glob("*.seg"))
        self.assertEqual(len(segments), 1)
        return f"file:{to}", Segment(segments[0])

    def verify(self, log, *more, checkpoints="daily.ckpt", key="audit.key.pub", command="audit"):
        done = self.cluster.run("docket", command, "verify", log, "--checkpoint", checkpoints, "--public-key", key,
                                "--json", *more)
        answer = json.loads(done.stdout)
        self.assertEqual(answer["ok"], done.returncode == 0, done.stderr)
        self.assertIn(done.returncode, (0, 5))
        return [row["verdict"] for row in answer["checkpoints"]], answer, done

    def plain_verify(self, log):
        return self.cluster.run("docket", "audit", "verify", log).returncode

    # --- checkpoints ---

    def test_what_was_signed_holds_and_is_said(self):
        self.assertEqual(len(self.lines), 2)
        self.assertLess(*self.seqs)
        for command in ("audit", "log"):
            verdicts, answer, _ = self.verify(f"file:{self.log}", command=command)
            self.assertEqual(verdicts, ["holds", "holds"])
            self.assertNotIn("fault", answer)
        text = self.cluster.good("docket", "audit", "verify", "--checkpoint", "daily.ckpt", "--public-key",
                                 "audit.key.pub")
        self.assertRegex(text, rf"checkpoint   seq {self.seqs[0]}, signed [-0-9T:]+: holds\n")

    def test_a_history_that_was_cut_is_truncated(self):
        log, segment = self.copy("cut")
        for at, _, count in segment.frames():
            seq = struct.unpack_from("<Q", segment.data, at + 16)[0]
            if count and seq > self.seqs[0]:
                segment.data[at:] = bytes(len(segment.data) - at)
                break
        segment.write()
        self.assertEqual(self.plain_verify(log), 0)  # as good as any: nothing in it says that there was more
        verdicts, _, _ = self.verify(log)
        self.assertEqual(verdicts, ["holds", "truncated"])
        refused = self.cluster.run("docket", "audit", "checkpoint", log, "--key", "audit.key", "--output", "daily.ckpt")
        self.assertEqual(refused.returncode, 5)
        self.assertIn("truncated", refused.stderr)
        self.assertEqual((self.cluster.work / "daily.ckpt").read_text().splitlines(), self.lines)

    def rewrite(self, name, anew, after):
        """Another name of the partition that was asked for in vain, in a refusal beyond seq `after`."""
        log, segment = self.copy(name)
        for at, size, count in segment.frames():
            found = segment.data.find(b"nowhere-at-all", at, at + size)
            if count and found > 0 and struct.unpack_from("<Q", segment.data, at + 16)[0] > after:
                segment.data[found:found + 7] = b"SOMEWHE"
                segment.seal(at, size)
                break
        else:
            self.fail("no refusal to rewrite")
        if anew:
            segment.chain_anew()
        segment.write()
        return log

    def test_a_history_with_one_event_rewritten_and_its_chain_computed_anew_is_rewritten(self):
        log = self.rewrite("anew", True, 0)
        self.assertEqual(self.plain_verify(log), 0)  # chain, digests and decisions: nobody could tell
        verdicts, _, _ = self.verify(log)
        self.assertEqual(verdicts, ["rewritten", "rewritten"])
        refused = self.cluster.run("docket", "audit", "checkpoint", log, "--key", "audit.key", "--output", "daily.ckpt")
        self.assertEqual(refused.returncode, 5)
        self.assertIn("rewritten", refused.stderr)

    def test_between_the_last_that_holds_and_the_first_that_does_not_it_happened(self):
        log = self.rewrite("later", True, self.seqs[0])
        verdicts, _, _ = self.verify(log)
        self.assertEqual(verdicts, ["holds", "rewritten"])
        text = self.cluster.run("docket", "audit", "verify", log, "--checkpoint", "daily.ckpt", "--public-key",
                                "audit.key.pub").stdout
        self.assertIn(f"what differs is not before seq {self.seqs[0] + 1}", text)

    def test_a_chain_that_breaks_is_rewritten_from_there(self):
        verdicts, answer, done = self.verify(self.rewrite("broken", False, self.seqs[0]))
        self.assertEqual(verdicts, ["holds", "rewritten"])
        self.assertIn("hash chain breaks", answer["fault"])
        self.assertIn("hash chain breaks", done.stderr)

    def test_a_log_that_cannot_be_read_is_damaged(self):
        log, segment = self.copy("damaged")
        at = [at for at, _, count in segment.frames()
              if count and struct.unpack_from("<Q", segment.data, at + 16)[0] > self.seqs[0]][0]
        segment.data[at + HEADER + 20] ^= 1
        segment.path.write_bytes(segment.data)
        verdicts, answer, _ = self.verify(log)
        self.assertEqual(verdicts, ["holds", "damaged"])
        self.assertIn("byte", answer["fault"])

    def test_a_forged_checkpoint_and_another_key_are_told_apart(self):
        c = self.cluster
        (c.work / "forged.ckpt").write_text(
            re.sub('"seq":[0-9]+', f'"seq":{self.seqs[0] - 1}', self.lines[0]) + "\n" + self.lines[1] + "\n")
        verdicts, _, _ = self.verify(f"file:{self.log}", checkpoints="forged.ckpt")
        self.assertEqual(verdicts, ["forged", "holds"])
        c.good("docket", "audit", "keygen", "other.key")
        self.addCleanup((c.work / "other.key").unlink)
        verdicts, _, _ = self.verify(f"file:{self.log}", key="other.key.pub")
        self.assertEqual(verdicts, ["other-key", "other-key"])
        line = c.good("docket", "audit", "checkpoint", "--key", "other.key")
        (c.work / "mine.ckpt").write_text(line)
        verdicts, _, _ = self.verify(f"file:{self.log}", checkpoints="mine.ckpt,daily.ckpt")
        self.assertEqual(sorted(verdicts), ["holds", "holds", "other-key"])
        verdicts, _, _ = self.verify(f"file:{self.log}", checkpoints="mine.ckpt", key="audit.key.pub,other.key.pub")
        self.assertEqual(verdicts, ["holds"])
        (c.work / "rubbish.ckpt").write_text(self.lines[0] + "\n" + self.lines[1].replace(":", ": ", 1) + "\n")
        done = c.run("docket", "audit", "verify", "--checkpoint", "rubbish.ckpt", "--public-key", "audit.key.pub")
        self.assertEqual(done.returncode, 3)
        self.assertIn("'rubbish.ckpt' line 2", done.stderr)

    def test_the_log_of_another_cluster_is_another_log(self):
        c = self.cluster
        c.good("docket", "generate", "--jobs", "20", "--output", "t.swf")
        c.good("docket", "replay", "t.swf", "--log", f"file:{c.work}/foreign")
        verdicts, _, _ = self.verify(f"file:{c.work}/foreign")
        self.assertEqual(verdicts, ["other-log", "other-log"])

    # --- export and import ---

    def test_a_cluster_runs_on_a_history_that_was_exported_and_imported(self):
        c = self.cluster
        pieces = [("old.avro", ["--to", "20", "--codec", "null"]), ("new.avro", ["--codec", "zstandard"])]
        for name, options in pieces:
            seq = json.loads(c.good("docket", "log", "export", "--output", name, "--json", *options))["seq_last"]
            pieces[1][1][:0] = ["--from", str(seq + 1)] if name == "old.avro" else []
        moved = Cluster(nodes=2, cores=2)
        self.addCleanup(moved.remove)
        moved.dir.mkdir()
        log = f"file:{moved.dir}/log"
        text = c.good("docket", "log", "import", "new.avro", "old.avro", "--log", log)
        self.assertIn(f"seq 1 to {c.events()[-1]['seq']}", text)
        self.assertEqual(c.good("docket", "log", "cat"), c.good("docket", "log", "cat", log))
        self.assertEqual(self.verify(log)[0], ["holds", "holds"])
        epoch = c.events()[-1]["epoch"]
        moved.up()
        job = moved.submit("-o", "/dev/null", "--wrap", "true")
        self.assertEqual(job, 9)  # behind the eight that were
        moved.wait_state(job, "COMPLETED")
        self.assertEqual(moved.state(3), "COMPLETED")
        moved.down()
        self.assertGreater(moved.events()[-1]["epoch"], epoch)
        self.assertEqual(self.verify(log)[0], ["holds", "holds"])
        shutil.copy(c.work / "daily.ckpt", c.work / "moved.ckpt")
        c.good("docket", "audit", "checkpoint", log, "--key", "audit.key", "--output", "moved.ckpt")
        self.assertEqual(self.verify(log, checkpoints="moved.ckpt")[0], ["holds"] * 3)
        refused = c.run("docket", "log", "import", "new.avro", "old.avro", "--log", log)
        self.assertEqual(refused.returncode, 3)
        self.assertIn("not new", refused.stderr)

    def test_pieces_that_do_not_join_are_refused_before_anything_is_written(self):
        c = self.cluster
        c.good("docket", "log", "export", "--output", "1.avro", "--to", "10")
        c.good("docket", "log", "export", "--output", "3.avro", "--from", "30")
        for files, words in ((["3.avro"], "the events before it is missing"), (["1.avro", "3.avro"], "ends at")):
            refused = c.run("docket", "log", "import", *files, "--log", f"file:{c.work}/never")
            self.assertEqual(refused.returncode, 3, refused.stderr)
            self.assertIn(words, refused.stderr)
        data = bytearray((c.work / "1.avro").read_bytes())
        data[-100] ^= 1
        (c.work / "bad.avro").write_bytes(data)
        refused = c.run("docket", "log", "import", "bad.avro", "--log", f"file:{c.work}/never")
        self.assertEqual(refused.returncode, 5)
        self.assertRegex(refused.stderr, r"block 1 at byte [0-9]+[: ]")
        self.assertFalse((c.work / "never").exists())

    def test_an_import_that_was_interrupted_is_found_and_goes_on(self):
        c = self.cluster
        c.good("docket", "generate", "--jobs", "8000", "--output", "big.swf")
        c.good("docket", "replay", "big.swf", "--log", f"file:{c.work}/big")
        c.good("docket", "log", "export", f"file:{c.work}/big", "--output", "big.avro")
        half = Cluster()
        self.addCleanup(half.remove)
        half.dir.mkdir()
        log = f"file:{half.dir}/log"

        def small_disk():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
        done = subprocess.run([BUILD / "bin/docket", "log", "import", "big.avro", "--log", log], cwd=c.work,
                              env=c.environment, capture_output=True, text=True, preexec_fn=small_disk)
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("half an import", done.stderr)
        self.assertIn("interrupted", c.good("docket", "log", "stat", log))
        refused = half.run("docketd", "controller", "--dir", half.dir)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("restore that was not finished", refused.stderr + half.remarks())
        c.good("docket", "log", "export", "--output", "other.avro")
        refused = c.run("docket", "log", "import", "other.avro", "--log", log)
        self.assertEqual(refused.returncode, 3)
        self.assertIn("beginning of another import", refused.stderr)
        self.assertRegex(c.good("docket", "log", "import", "big.avro", "--log", log), r"went on at   seq [0-9]{3,}")
        self.assertEqual(c.good("docket", "log", "cat", log), c.good("docket", "log", "cat", f"file:{c.work}/big"))


if __name__ == "__main__":
    main()
