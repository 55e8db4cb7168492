#!/usr/bin/env python3
"""Jepsen's questions on the log in a folder: clients ask while controller, projector, an agent and the supervisor are killed
and paused, and the history of what they were told is judged by the final log (history.py, crowd.py).
"""

import pathlib
import random
import signal
import time
import unittest

import history
from cluster import SLOW, Cluster, main
from crowd import Crowd


def judged(test, crowd, cluster, events):
    """Nothing is wrong, or the test fails and keeps what it failed on."""
    records = crowd.history()
    wrong = history.judge(records, events) + crowd.broken + [f"never answered: {call}" for call in crowd.unanswered]
    print("   ", history.summary(records))
    if wrong:
        kept = pathlib.Path(f"{cluster.root}-kept")
        history.keep(kept, records, events)
        test.fail("\n".join([*wrong[:20], f"{len(wrong)} faults; kept in {kept}", cluster.remarks()]))
    return records


class Jepsen(unittest.TestCase):
    seconds = 10

    def setUp(self):
        self.cluster = Cluster(nodes=3, cores=4).up()
        self.addCleanup(self.cluster.remove)

    def storm(self, seed, parts):
        """Every now and then one of the parts is killed or paused for a while."""
        c, chance = self.cluster, random.Random(seed)
        crowd = Crowd(c.work, [c.dir / "run/control.sock"], [c.dir / "run/query.sock"], seed, nodes_max=2, rate=15)
        end = time.monotonic() + self.seconds
        with crowd:
            while time.monotonic() < end:
                time.sleep(chance.uniform(0.3, 2))
                part, pause = chance.choice(parts), chance.random() < 0.3
                crowd.fault(f"{'pause' if pause else 'kill'} {part}")
                c.kill(part, signal.SIGSTOP if pause else signal.SIGKILL)
                if pause:
                    time.sleep(chance.uniform(0.05, 0.6))
                    c.kill(part, signal.SIGCONT)
                elif part == "supervisor":
                    time.sleep(0.1)
                    c.up()
        c.wait_empty(120)
        self.assertIn("good", c.audit())
        return judged(self, crowd, c, c.events())

    def test_the_history_holds_while_the_controller_dies(self):
        records = self.storm(1, ["controller"])
        self.assertGreater(sum(1 for record in records if record["kind"] == "call" and record["outcome"] == "ok"), 200 / SLOW)

    def test_the_history_holds_while_everything_dies(self):
        self.storm(2, ["controller", "projector", "node n1", "node n2", "supervisor"])


if __name__ == "__main__":
    main()
