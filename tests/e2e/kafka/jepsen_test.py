#!/usr/bin/env python3
"""Jepsen's questions on a real Kafka: brokers are killed, stopped, paused and started again, controllers die and hang, while a crowd
asks at two doors; the history of what it was told is judged by the final log (history.py, crowd.py).
"""

import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import history  # noqa: E402
from broker import SKIPPED, Broker, available  # noqa: E402
from cluster import BUILD, Cluster, main, wait_for  # noqa: E402
from crowd import Crowd  # noqa: E402


class Jepsen(unittest.TestCase):
    def cluster(self, brokers):
        """Kafka, a cluster by `docketd up`, and a second controller in a folder of its own."""
        self.kafka = Broker(self.temporary("kafka"), brokers)
        self.addCleanup(self.kafka.down)
        self.kafka.up()
        c = self.c = Cluster(nodes=3, cores=4, log=f"kafka://{self.kafka.servers}/jepsen")
        self.addCleanup(c.remove)
        c.up()
        self.second = c.root / "second"
        self.second.mkdir()
        (self.second / "docket.conf").write_text(f"log = {c.log}\n")
        shutil.copy2(c.dir / "cluster.key", self.second / "cluster.key")
        self.standby = None
        self.addCleanup(self.end_standby)
        self.start_standby()
        wait_for("the second door", 30, (self.second / "run/control.sock").exists)

    def temporary(self, name):
        path = pathlib.Path(subprocess.run(["mktemp", "-d", f"/tmp/docket-{name}-XXXXXX"], capture_output=True, text=True,
                                           check=True).stdout.strip())
        self.addCleanup(shutil.rmtree, path, True)
        return path

    def start_standby(self):
        self.end_standby()
        with open(self.c.dir / "logs/second.log", "a", encoding="utf-8") as said:
            self.standby = subprocess.Popen([f"{BUILD}/bin/docketd", "controller", "--dir", str(self.second)], stderr=said, stdout=said,
                                            stdin=subprocess.DEVNULL, env=self.c.environment)

    def end_standby(self):
        if self.standby is not None:
            self.standby.kill()
            self.standby.wait()
        self.standby = None

    def storm(self, seed, seconds, faults, rate=10):
        """One fault after the other, drawn; then everything is whole again, and settles, and is judged."""
        chance = random.Random(seed)
        doors = [self.c.dir / "run/control.sock", self.second / "run/control.sock"]
        crowd = Crowd(self.c.work, doors, [self.c.dir / "run/query.sock"], seed, nodes_max=2, rate=rate)
        end = time.monotonic() + seconds
        with crowd:
            time.sleep(1)
            while time.monotonic() < end:
                fault = chance.choice(faults)
                crowd.fault(fault.__name__)
                fault(chance)
                time.sleep(chance.uniform(0.5, 2))
        self.c.wait_empty(120)
        self.judge(crowd)

    def judge(self, crowd):
        self.assertIn("good", self.c.audit())
        records, events = crowd.history(), self.c.events()
        wrong = history.judge(records, events) + crowd.broken + [f"never answered: {call}" for call in crowd.unanswered]
        print("   ", history.summary(records), "epochs", events[-1]["epoch"])
        if wrong:
            kept = pathlib.Path(f"{self.c.root}-kept")
            history.keep(kept, records, events)
            self.fail("\n".join([*wrong[:20], f"{len(wrong)} faults; kept in {kept}", self.c.remarks()]))

    # --- faults ---

    def any_broker(self, chance):
        return chance.randint(1, self.kafka.count)

    def a_broker_is_killed(self, chance):
        i = self.any_broker(chance)
        self.kafka.kill(i)
        time.sleep(chance.uniform(0, 2))
        self.kafka.start(i)

    def a_broker_is_killed_in_a_commit(self, chance):
        self.kafka.kill_in_a_commit(1)
        time.sleep(chance.uniform(0, 1))
        self.kafka.start(1)

    def a_broker_hangs(self, chance):
        i = self.any_broker(chance)
        self.kafka.pause(i)
        time.sleep(chance.uniform(0.5, 5))
        self.kafka.resume(i)
        self.kafka.wait()

    def a_broker_is_stopped(self, chance):
        i = self.any_broker(chance)
        self.kafka.stop(i)
        self.kafka.start(i)

    def the_first_controller_is_killed(self, _):
        self.c.kill("controller")

    def the_second_controller_is_killed(self, _):
        self.start_standby()

    def the_first_controller_hangs(self, chance):
        self.c.kill("controller", signal.SIGSTOP)
        time.sleep(chance.uniform(0.5, 6))
        self.c.kill("controller", signal.SIGCONT)

    def the_second_controller_hangs(self, chance):
        self.standby.send_signal(signal.SIGSTOP)
        time.sleep(chance.uniform(0.5, 6))
        self.standby.send_signal(signal.SIGCONT)

    # --- tests ---

    def test_the_history_holds_while_the_only_broker_dies_hangs_and_stops(self):
        self.cluster(1)
        self.storm(1, 12, [self.a_broker_is_killed, self.a_broker_is_killed_in_a_commit, self.a_broker_hangs, self.a_broker_is_stopped])

    def test_the_history_holds_while_one_of_three_brokers_dies_hangs_and_stops(self):
        self.cluster(3)
        self.storm(2, 15, [self.a_broker_is_killed, self.a_broker_hangs, self.a_broker_is_stopped])

    def test_the_history_holds_while_brokers_and_controllers_die_and_hang(self):
        self.cluster(1)
        self.storm(3, 20, [self.a_broker_is_killed, self.a_broker_hangs, self.the_first_controller_is_killed,
                           self.the_second_controller_is_killed, self.the_first_controller_hangs, self.the_second_controller_hangs])


if __name__ == "__main__":
    why = available()
    if why is not None:
        print(f"skipped: {why}", file=sys.stderr)
        sys.exit(SKIPPED)
    main()
