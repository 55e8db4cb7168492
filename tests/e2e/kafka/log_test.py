"""The log on a real Kafka, while brokers and writers are stopped, killed and begin again.

    log_test.py BUILD [One | Three | One.TEST]...
"""

import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from broker import Broker, available, SKIPPED

BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
TOOL = str(BUILD / "bin" / "log_tool")


class Tool:
    """A log_tool that runs: its lines come in by a thread."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([TOOL, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)
        self.lines = []
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        for line in self.process.stdout:
            self.lines.append(line.strip())

    def acknowledged(self):
        """The last seq of the last sync that returned."""
        return max((int(line.split()[1]) for line in list(self.lines) if line.startswith("ok ")), default=0)

    def wait_for(self, seconds, ready, what):
        end = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > end or (self.process.poll() is not None and not ready()):
                raise AssertionError(f"{what}: in vain. It said: {self.lines[-3:]} {self.errors()}")
            time.sleep(0.02)

    def moves(self, by=20, seconds=60):
        """Until so many more syncs have returned."""
        start = len(self.lines)
        self.wait_for(seconds, lambda: len(self.lines) >= start + by, f"{by} more syncs within {seconds} s")

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        return self.end()

    def end(self, seconds=60):
        self.process.wait(seconds)
        self.thread.join(seconds)
        return self

    def errors(self):
        return self.process.stderr.read()[-2000:] if self.process.poll() is not None else ""


class LogCase(unittest.TestCase):
    brokers = 1

    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="docket-kafka-")
        cls.kafka = Broker(cls.root, cls.brokers)
        cls.kafka.up()

    @classmethod
    def tearDownClass(cls):
        cls.kafka.down()
        shutil.rmtree(cls.root, ignore_errors=True)

    def setUp(self):
        self.uri = f"kafka://{self.kafka.servers}/{self.id().rsplit('.', 1)[1][:60]}"
        self.tools = []

    def tearDown(self):
        for tool in self.tools:
            if tool.process.poll() is None:
                tool.kill()
            tool.process.stdout.close()
            tool.process.stderr.close()

    def tool(self, *arguments):
        self.tools.append(Tool(*arguments))
        return self.tools[-1]

    def run_tool(self, command, *more):
        return self.tool(command, self.uri, *more).end().lines

    def writer(self, count=10, *more):
        writer = self.tool("append", self.uri, count, *more)
        writer.moves(5)
        return writer

    def check(self, acknowledged):
        """Everything acknowledged is there, once, in order; what is behind it is whole."""
        tool = self.tool("read", self.uri).end()
        self.assertEqual(tool.process.returncode, 0, tool.lines + [tool.errors()])
        self.assertGreaterEqual(int(tool.lines[-1].split()[1]), acknowledged)
        return int(tool.lines[-1].split()[1])


class One(LogCase):
    def test_a_broker_that_is_killed_and_comes_back_costs_the_time_it_was_away(self):
        writer = self.writer()
        reader = self.tool("follow", self.uri, 3000)
        for pause in (0, 2):
            self.kafka.kill(1)
            time.sleep(pause)
            self.kafka.start(1)
            writer.moves()
        writer.wait_for(60, lambda: writer.acknowledged() >= 3000, "seq 3000")
        reader.end()
        self.assertEqual(reader.process.returncode, 0, reader.lines + [reader.errors()])
        writer.kill()
        self.check(writer.acknowledged())

    def test_a_broker_that_is_killed_in_a_commit_costs_no_more(self):
        """Neither a marker that is missing then nor one that is written twice costs the writer."""
        writer = self.writer()
        hits = 0
        for _ in range(5):
            hits += self.kafka.kill_in_a_commit(1)
            self.kafka.start(1)
            writer.moves(seconds=15)  # a writer that gave up needed 20 to do so
        self.assertGreater(hits, 0)
        writer.kill()
        self.check(writer.acknowledged())

    def test_a_broker_that_stands_still_is_waited_for(self):
        writer = self.writer()
        reader = self.tool("follow", self.uri, 10**9)
        self.kafka.pause(1)
        time.sleep(13)  # more than a request waits for its answer
        self.kafka.resume(1)
        writer.moves()
        writer.kill()
        last = self.check(writer.acknowledged())
        reader.kill()
        self.assertEqual(self.tool("follow", self.uri, last).end().process.returncode, 0)

    def test_a_writer_that_stood_still_is_fenced_by_the_next_one(self):
        first = self.writer()
        first.signal(signal.SIGSTOP)
        second = self.writer(7)
        first.signal(signal.SIGCONT)
        first.end()
        self.assertTrue(first.lines[-1].startswith("FENCED a newer writer has "), first.lines[-1])
        second.moves()
        second.kill()
        self.assertIn("epoch 2 ", second.lines[0])
        self.assertGreaterEqual(int(second.lines[0].split()[3]), first.acknowledged() + 1)
        self.check(second.acknowledged())

    def test_writers_that_are_killed_lose_nothing_that_they_acknowledged(self):
        acknowledged = 0
        for epoch in range(1, 7):
            writer = self.writer(200)
            self.assertGreater(int(writer.lines[0].split()[3]), acknowledged)
            self.assertIn(f"epoch {epoch} ", writer.lines[0])
            acknowledged = writer.kill().acknowledged()
        self.check(acknowledged)

    def test_writers_who_take_over_from_each_other_at_once_leave_one_log(self):
        writers = [self.tool("append", self.uri, 3) for _ in range(4)]
        while sum(writer.process.poll() is None for writer in writers) > 1:
            time.sleep(0.05)
        last = next(writer for writer in writers if writer.process.poll() is None)
        last.moves()
        last.kill()
        for writer in writers:
            if writer is not last:
                self.assertTrue(writer.end().lines[-1].startswith("FENCED "), writer.lines[-1] + writer.errors())
        self.check(max(writer.acknowledged() for writer in writers))


    def test_where_no_broker_answers_it_says_so_in_ten_seconds(self):
        tools = [Tool("append", "kafka://127.0.0.1:1/x", 1), Tool("read", "kafka://127.0.0.1:1/x")]
        for tool in tools:
            tool.end(40)
            self.assertTrue(tool.lines[-1].startswith("AWAY no broker of '127.0.0.1:1' answers: "), tool.lines)
            tool.process.stdout.close()
            tool.process.stderr.close()


class Three(LogCase):
    brokers = 3

    def test_one_of_three_brokers_may_die(self):
        writer = self.writer()
        reader = self.tool("follow", self.uri, 10**9)
        for i in (1, 2, 3):
            self.kafka.kill(i)
            writer.moves()
            self.kafka.start(i)
            writer.moves()
        writer.kill()
        last = self.check(writer.acknowledged())
        reader.kill()
        self.assertEqual(self.tool("follow", self.uri, last).end().process.returncode, 0)

    def test_with_two_of_three_gone_nothing_is_acknowledged_until_one_is_back(self):
        writer = self.writer()
        self.kafka.kill(2)
        self.kafka.kill(3)
        time.sleep(3)
        before = writer.acknowledged()
        time.sleep(3)
        self.assertEqual(writer.acknowledged(), before)
        self.kafka.start(2, wait=False)
        self.kafka.start(3, wait=False)
        self.kafka.wait()
        writer.moves(10, 120)
        writer.kill()
        self.check(writer.acknowledged())

    def test_a_topic_of_three_replicas_that_acknowledges_with_one_is_refused(self):
        right = ("retention.ms", "-1", "max.message.bytes", "67109888", "compression.type", "producer")
        self.assertEqual(self.run_tool("append", 1, 1)[-1], "ok 1")
        self.assertEqual(self.run_tool("append", 1, 1)[-1], "ok 2")
        self.run_tool("set", *right, "min.insync.replicas", "1")
        self.assertIn("has min.insync.replicas=1 and must have at least 2", self.run_tool("append", 1, 1)[-1])
        self.run_tool("set", *right, "min.insync.replicas", "2")
        self.assertEqual(self.run_tool("append", 1, 1)[-1], "ok 3")


if __name__ == "__main__":
    why = available()
    if why is not None:
        print(f"skipped: {why}")
        sys.exit(SKIPPED)
    unittest.main(verbosity=2)
