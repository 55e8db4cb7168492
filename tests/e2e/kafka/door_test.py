#!/usr/bin/env python3
"""Controllers as doors, on a real Kafka: what is asked of any of them gets into the topic of requests, and its outcome
comes back, whoever leads. In two folders, as if on two hosts."""

import json
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from broker import Broker, available  # noqa: E402
from cluster import BUILD, SLOW, Cluster, main, wait_for  # noqa: E402
from crowd import Link  # noqa: E402

if available() is not None:
    print(f"skipped: {available()}")
    sys.exit(77)


class Controller:
    """One controller of its own folder, apart from `docketd up`."""

    def __init__(self, folder, log, key=None):
        self.dir = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "docket.conf").write_text(f"log = {log}\n")
        if key:
            shutil.copy2(key, folder / "cluster.key")
        self.start()

    def start(self):
        with open(self.dir / "said", "ab") as said:
            self.process = subprocess.Popen([BUILD / "bin/docketd", "controller", "--dir", self.dir], stderr=said)

    def call(self, body, timeout=60, kind="application/json"):
        link = Link(self.dir / "run/control.sock", timeout * SLOW)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        link.request("POST", "/v1/requests", data, {"Content-Type": kind})
        answer = link.getresponse()
        value = json.loads(answer.read())
        link.close()
        return answer.status, value

    def status(self):
        try:
            link = Link(self.dir / "run/control.sock", 5)
            link.request("GET", "/v1/status")
            value = json.loads(link.getresponse().read())
            link.close()
            return value
        except OSError:
            return {}

    def said(self):
        return (self.dir / "said").read_text(errors="replace")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(60 * SLOW)

    def kill(self):
        self.process.kill()
        self.process.wait()


def job(key, **more):
    return {"type": "SubmitJob", "key": f"{key:016x}", "script": f"#!/bin/sh\n# {key}\n",
            "spec": {"name": "j", "tasks": 1, "cpus_per_task": 1, "hold": True}, **more}


class Doors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(nodes=1, cores=2)  # a folder and an environment; it is not started
        cls.kafka = cls.enterClassContext(Broker(cls.cluster.root / "kafka"))
        cls.log = f"kafka://{cls.kafka.servers}/doors"
        cls.first = Controller(cls.cluster.root / "c1", cls.log)
        cls.addClassCleanup(cls.first.stop)
        wait_for("a leader", 30, lambda: cls.first.status().get("role") == "leading")
        cls.second = Controller(cls.cluster.root / "c2", cls.log, cls.cluster.root / "c1/cluster.key")
        cls.addClassCleanup(cls.second.stop)
        wait_for("a standby", 30, lambda: cls.second.status().get("seq", 0) >= 4)
        status, _ = cls.first.call({"type": "RegisterNode", "spec": {"name": "n1", "cores": 4, "memory_mib": 1000}})
        assert status == 200

    @classmethod
    def tearDownClass(cls):
        for controller in (cls.first, cls.second):
            controller.stop()
        complaints = [line for c in (cls.first, cls.second) for line in c.said().splitlines()
                      if any(word in line for word in ("Sanitizer:", "runtime error:", "internal error"))]
        verified = subprocess.run([BUILD / "bin/docket", "audit", "verify", cls.log], capture_output=True, text=True)
        shutil.rmtree(cls.cluster.root, ignore_errors=True)
        if complaints or verified.returncode != 0:
            raise AssertionError("\n".join(complaints) + verified.stdout + verified.stderr)

    def test_a_call_is_answered_by_who_does_not_lead_too(self):
        status, answer = self.second.call(job(0x100))
        self.assertEqual(status, 200)
        self.assertEqual(answer["results"][0]["result"], "accepted")
        status, again = self.first.call(job(0x100))
        self.assertEqual(again["results"][0]["result"], "duplicate")
        self.assertEqual(again["results"][0]["job"], answer["results"][0]["job"])

    def test_a_large_call_is_cut_into_records_and_answered_in_order(self):
        jobs = [job(0x10000 + i) for i in range(10000)]
        jobs[5000] = {"type": "CancelJob", "job": 2147483000}
        status, answer = self.first.call(jobs)
        self.assertEqual(status, 200)
        results = answer["results"]
        self.assertEqual(len(results), 10000)
        self.assertEqual(results[5000]["reason"], "NOT_FOUND")
        ids = [r["job"] for r in results if r["result"] == "accepted"]
        self.assertEqual(len(ids), 9999)
        self.assertEqual(ids, sorted(ids))
        self.assertGreaterEqual(answer["seq"], results[-1]["seq"])

    def test_the_same_key_twice_in_one_call_is_one_job(self):
        status, answer = self.second.call([job(0x200), job(0x200), job(0x201)])
        self.assertEqual(status, 200)
        self.assertEqual([r["result"] for r in answer["results"]], ["accepted", "duplicate", "accepted"])
        self.assertEqual(answer["results"][1]["job"], answer["results"][0]["job"])

    def test_what_cannot_be_read_is_answered_so_and_recorded(self):
        status, answer = self.second.call(b"{nothing", kind="application/json")
        self.assertEqual(status, 400)
        events = subprocess.run([BUILD / "bin/docket", "log", "cat", "--type", "RequestRejected", self.log],
                                capture_output=True, text=True, check=True).stdout
        self.assertIn('"reason":"UNREADABLE"', events)

    def test_heartbeats_do_not_wait_for_their_batch(self):
        begun = time.monotonic()
        status, answer = self.first.call({"type": "BeatNodes", "nodes": ["n1"]})
        self.assertEqual((status, answer["results"][0]["result"]), (200, "accepted"))
        self.assertLess(time.monotonic() - begun, 0.9 * SLOW)  # they are gathered for a second

    def test_a_large_script_goes_another_way(self):
        status, answer = self.first.call(job(0x300, script="#!/bin/sh\n" + "#" * (3 << 20)))
        self.assertEqual((status, answer["results"][0]["result"]), (200, "accepted"))

    def test_many_at_once_each_get_their_own_outcome(self):
        found = {}

        def ask(number):
            controller = (self.first, self.second)[number % 2]
            for i in range(20):
                _, answer = controller.call([job(0x1000000 + number * 100 + i), {"type": "CancelJob", "job": 2147483001}])
                found[number, i] = answer["results"]

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(found), 160)
        self.assertEqual({tuple(r["result"] for r in results) for results in found.values()}, {("accepted", "rejected")})
        self.assertEqual(len({results[0]["job"] for results in found.values()}), 160)

    def test_z_while_nobody_leads_a_call_waits_and_is_answered_by_who_leads_next(self):
        leading, standing = (self.first, self.second) if self.first.status()["role"] == "leading" else (self.second, self.first)
        leading.process.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        status, answer = standing.call(job(0x400))
        took = time.monotonic() - begun
        self.assertEqual((status, answer["results"][0]["result"]), (200, "accepted"))
        print(f"answered by the next leader after {took:.2f} s")
        leading.process.send_signal(signal.SIGCONT)
        wait_for("the fenced one stands by", 30, lambda: "fenced" in leading.said() and leading.status().get("role") == "standby")
        _, again = leading.call(job(0x400))
        self.assertEqual(again["results"][0]["job"], answer["results"][0]["job"])

    def test_zz_without_any_leader_a_call_is_told_to_ask_again_and_its_job_is_there_once(self):
        leading, standing = (self.first, self.second) if self.first.status()["role"] == "leading" else (self.second, self.first)
        self.kafka.pause(1)
        try:
            status, answer = leading.call(job(0x500), timeout=90)
            self.assertEqual((status, answer["error"]["reason"]), (503, "BUSY"))
        finally:
            self.kafka.resume(1)
        wait_for("a leader again", 60, lambda: standing.call(job(0x500))[0] == 200)
        _, answer = standing.call(job(0x500))
        self.assertEqual(answer["results"][0]["result"], "duplicate")


if __name__ == "__main__":
    main()
