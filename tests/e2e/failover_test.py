#!/usr/bin/env python3
"""Controllers die, stop, leave and are cut off while clients ask and jobs run, and the next one takes over.

On a real Kafka with two controllers, and on the log in a folder. After each fault the history that clients had is judged
by the final log (history.py), the log is audited, and the time for which nobody was answered is printed.
"""

import http.client
import json
import os
import shutil
import signal
import statistics
import subprocess
import time
import unittest

import history
from cluster import BUILD, SLOW, Cluster, main, wait_for
from crowd import Caller, Crowd
from kafka.broker import Broker, available, free_ports
from munged import AVAILABLE, Munged, make_key
from proxy import Proxy

SESSION_SECONDS = 3  # of the group of controllers
OUTAGE_SECONDS = 5  # another one leads in less: a session of 3 s, a beat, and taking over


class FirstDoor:
    """What Caller takes for a random number: always the first of a list."""

    @staticmethod
    def randrange(_):
        return 0


class Controller:
    """One controller of the cluster, wherever its folder is."""

    def __init__(self, name, folder, pid):
        self.name, self.dir, self.pid = name, folder, pid
        self.process = None

    @property
    def door(self):
        return self.dir / "run/control.sock"

    def status(self, door=None):
        """What it says of itself; {} when it says nothing."""
        caller = Caller([door or self.door], FirstDoor)
        try:
            code, _, text = caller.call("GET", "/v1/status", seconds=2)
        except (OSError, http.client.HTTPException):
            return {}
        finally:
            caller.drop()
        return json.loads(text) if code == 200 else {}

    def signal(self, number):
        os.kill(self.pid(), number)


class Site:
    """A cluster by `docketd up`, whose controller it keeps alive, and more controllers in folders of their own."""

    def __init__(self, test, uri=None, munge=False):
        self.cluster = Cluster(nodes=3, cores=4)
        test.addCleanup(self.remove)
        self.uri = uri or f"file:{self.cluster.dir}/log"
        self.munged = None
        self.controllers, self.links = [], []
        if munge:
            self.munged = Munged(self.cluster.root / "munged", make_key())
            self.ports = free_ports(3)
            self.write(self.cluster.dir, self.ports[0], uri)
        self.cluster.up()
        self.controllers.append(Controller("first", self.cluster.dir, lambda: self.cluster.pid("controller")))

    def write(self, folder, port, uri):
        """Its docket.conf: where all the controllers are, and the way to the log."""
        folder.mkdir()
        folder.chmod(0o755)
        (folder / "docket.conf").write_text(
            f"log = {uri}\nlisten = 127.0.0.1:{port}\nmunge_socket = {self.munged.socket}\n"
            f"controllers = {', '.join(f'127.0.0.1:{port}' for port in self.ports)}\n")

    def add(self, name, folder=None, uri=None):
        """One more controller: in a folder of its own, or beside the first in the same."""
        if folder is None:
            folder = self.cluster.root / name
            self.write(folder, self.ports[len(self.controllers)], uri or self.uri)
            shutil.copy(self.cluster.dir / "cluster.key", folder)
        controller = Controller(name, folder, lambda: controller.process.pid)
        self.controllers.append(controller)
        return self.start(controller)

    def start(self, controller):
        with open(self.cluster.dir / "logs" / f"controller-{controller.name}.log", "a", encoding="ascii") as log:
            controller.process = subprocess.Popen([BUILD / "bin/docketd", "controller", "--dir", controller.dir],
                                                  env=self.cluster.environment, stderr=log)
        return controller

    def remove(self):
        for controller in self.controllers:
            if controller.process and controller.process.poll() is None:
                controller.signal(signal.SIGCONT)
                controller.process.terminate()
                controller.process.wait()
        self.cluster.remove()
        if self.munged:
            self.munged.stop()

    def leader(self, but=0, seconds=30):
        """The one that leads, once there is exactly one; `but`: another process than that."""
        def look():
            leading = [one for one in self.controllers if one.status().get("role") == "leading" and one.pid() != but]
            return leading[0] if len(leading) == 1 else None
        return wait_for("one controller to lead", seconds, look)

    def standby(self, controller, seconds=30):
        wait_for(f"controller {controller.name} to stand by", seconds, lambda: controller.status().get("role") == "standby")

    def settle(self, but=0):
        """Until one leads, another process than `but`, and the others stand by: a new fault meets a cluster that is whole."""
        def look():  # all at one moment: a lead may move on while it is looked for
            roles = {one: one.status().get("role") for one in self.controllers}
            leading = [one for one, role in roles.items() if role == "leading"]
            return len(leading) == 1 and leading[0].pid() != but and all(
                role == "standby" for one, role in roles.items() if one is not leading[0])
        wait_for("one controller to lead and all others to stand by", 30, look)

    def events(self):
        return [json.loads(line) for line in self.cluster.good("docket", "log", "cat", self.uri, timeout=300).splitlines()]

    def audit(self):
        return self.cluster.good("docket", "audit", "verify", self.uri, timeout=300)

    def said(self, controller):
        name = "controller.log" if controller.process is None else f"controller-{controller.name}.log"
        return (self.cluster.dir / "logs" / name).read_text(errors="replace")


def silence(records, since):
    """The longest time after `since` in which no call was answered."""
    times = sorted(record["returned"] for record in records if record["kind"] == "call" and record["outcome"] == "ok")
    before = max((moment for moment in times if moment <= since), default=since)
    after = [before] + [moment for moment in times if moment > since]
    return max(b - a for a, b in zip(after, after[1:]))


class Failover(unittest.TestCase):
    """What both kinds of log have in common."""

    def crowd(self, site):
        return Crowd(site.cluster.work, [one.door for one in site.controllers], [site.cluster.dir / "run/query.sock"],
                     seed=self.id(), nodes_max=2, rate=15)

    def answered(self, crowd, count=20):
        """Waits until so many more calls have been answered: the crowd is at work."""
        start = crowd.answered()
        wait_for(f"{count} more answers", 60, lambda: crowd.answered() >= start + count)

    def fault(self, crowd, what, strike):
        """Does it, waits until calls are answered again, and returns for how long none was."""
        crowd.fault(what)
        since = time.monotonic()
        strike()
        self.answered(crowd)
        return silence(crowd.records[:], since)

    def judge(self, site, crowd, outages=(), most=OUTAGE_SECONDS):
        site.cluster.wait_empty(120)
        self.assertIn("good", site.audit())
        records, events = crowd.history(), site.events()
        wrong = history.judge(records, events) + crowd.broken + [f"never answered: {call}" for call in crowd.unanswered]
        epochs = [event["epoch"] for event in events]
        self.assertEqual(epochs, sorted(epochs), "an older epoch wrote after a newer one")
        print("   ", history.summary(records))
        if outages:
            print(f"    nobody answered for {statistics.median(outages):.2f} s (median of {len(outages)}: "
                  f"{' '.join(f'{outage:.2f}' for outage in sorted(outages))})")
        if wrong:
            kept = site.cluster.root.with_name(site.cluster.root.name + "-kept")
            history.keep(kept, records, events)
            for log in (site.cluster.dir / "logs").glob("controller*.log"):
                shutil.copy(log, kept)
            self.fail("\n".join([*wrong[:20], f"{len(wrong)} faults; kept in {kept}", site.cluster.remarks()]))
        if outages and SLOW == 1:
            self.assertLess(statistics.median(outages), most)


class OnKafka(Failover):
    @classmethod
    def setUpClass(cls):
        why = available() if AVAILABLE else "no munged here (Debian: munge)"
        if why:
            raise unittest.SkipTest(why)

    def setUp(self):
        ports = free_ports(4)
        self.kafka = Broker(self.folder(), properties=self.listeners(ports))
        self.kafka.ports[0] = ports[0], ports[1]
        self.kafka.up()
        self.addCleanup(self.kafka.down)
        # A second way to the broker, on a link that can be cut: what the broker calls itself there is the link.
        self.link = Proxy(f"127.0.0.1:{ports[2]}", f"127.0.0.1:{ports[3]}")
        self.addCleanup(self.link.close)
        self.site = Site(self, f"kafka://{self.kafka.servers}/docket", munge=True)
        self.second = self.site.add("second", uri=f"kafka://{self.link.address}/docket")
        self.site.leader()
        self.site.standby(self.second)

    def folder(self):
        folder = Cluster().root
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return folder

    @staticmethod
    def listeners(ports):
        clients, controllers, behind, link = (f"127.0.0.1:{port}" for port in ports)
        return {"listeners": f"CLIENTS://{clients},CONTROLLERS://{controllers},LINK://{behind}",
                "advertised.listeners": f"CLIENTS://{clients},LINK://{link}",
                "controller.quorum.voters": f"1@{controllers}",
                "listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLERS:PLAINTEXT,LINK:PLAINTEXT"}

    def lead(self, controller):
        """Makes it the leader: whoever leads leaves, until the group happens to choose that one."""
        while (leader := self.site.leader()) is not controller:
            pid = leader.pid()
            leader.signal(signal.SIGTERM)
            self.site.settle(but=pid)

    def kill(self, controller):
        controller.signal(signal.SIGKILL)
        if controller.process:
            controller.process.wait()
            self.site.start(controller)

    def test_a_leader_that_is_killed_is_followed(self):
        outages = []
        with self.crowd(self.site) as crowd:
            self.answered(crowd)
            for _ in range(3):
                leader = self.site.leader()
                pid = leader.pid()
                outages.append(self.fault(crowd, f"kill {leader.name}", lambda: self.kill(leader)))
                self.site.settle(but=pid)
        self.judge(self.site, crowd, outages)

    def test_a_leader_that_leaves_hands_over(self):
        outages = []
        with self.crowd(self.site) as crowd:
            self.answered(crowd)
            for _ in range(3):
                leader = self.site.leader()
                pid = leader.pid()

                def leave():
                    leader.signal(signal.SIGTERM)
                    if leader.process:
                        self.assertEqual(leader.process.wait(), 0)
                        self.site.start(leader)
                outages.append(self.fault(crowd, f"end {leader.name}", leave))
                self.site.settle(but=pid)
        self.judge(self.site, crowd, outages, most=2.5)

    def test_a_leader_that_was_stopped_comes_back_fenced_and_writes_nothing(self):
        self.lead(self.second)
        with self.crowd(self.site) as crowd:
            self.answered(crowd)
            leader = self.second
            epoch = leader.status()["epoch"]
            crowd.fault(f"stop {leader.name}")
            since = time.monotonic()
            leader.signal(signal.SIGSTOP)
            other = self.site.leader(but=leader.pid())
            self.answered(crowd)
            outage = silence(crowd.records[:], since)
            time.sleep(max(0.0, since + 10 - time.monotonic()))
            crowd.fault(f"continue {leader.name}")
            leader.signal(signal.SIGCONT)
            self.site.standby(leader)
            self.answered(crowd)
            self.assertIs(self.site.leader(), other)
            self.assertGreater(other.status()["epoch"], epoch)
        self.assertRegex(self.site.said(leader), "fenced|no longer leading")
        self.judge(self.site, crowd, [outage])

    def test_a_leader_that_is_cut_off_is_followed_and_stands_by_when_it_is_back(self):
        self.lead(self.second)
        with self.crowd(self.site) as crowd:
            self.answered(crowd)
            crowd.fault("cut second")
            since = time.monotonic()
            self.link.cut()
            self.site.leader(but=self.second.pid())
            self.answered(crowd)
            outage = silence(crowd.records[:], since)
            time.sleep(max(0.0, since + 8 - time.monotonic()))
            crowd.fault("heal second")
            self.link.heal()
            self.site.standby(self.second)
            self.answered(crowd)
        self.judge(self.site, crowd, [outage])

    def test_a_broker_that_is_killed_costs_the_time_it_is_away(self):
        more = []
        with self.crowd(self.site) as crowd:
            self.answered(crowd)
            for seconds in (0, 2, 12):  # within a session of the group, and beyond
                back = []
                since = time.monotonic()

                def away():
                    self.kafka.kill(1)
                    time.sleep(seconds)
                    self.kafka.start(1)
                    back.append(time.monotonic())
                outage = self.fault(crowd, f"a broker is away for {seconds} s", away)
                more.append(outage - (back[0] - since))
                self.site.settle()
        print(f"    beyond the absence of the broker: {' '.join(f'{seconds:.2f}' for seconds in more)} s")
        self.judge(self.site, crowd, more)
        if SLOW == 1:
            self.assertLess(max(more), SESSION_SECONDS)  # who stands down for it takes longer

    def test_controllers_end_when_told_to_while_the_broker_is_away(self):
        self.lead(self.second)
        standby = self.site.add("third")
        self.site.standby(standby)
        with self.crowd(self.site) as crowd:
            self.answered(crowd)
            self.kafka.kill(1)
            time.sleep(3)  # a batch is on its way by now, and waits
            since = time.monotonic()
            for one in (self.second, standby):
                one.signal(signal.SIGTERM)
            for one in (standby, self.second):
                self.assertEqual(one.process.wait(60), 0)
                print(f"    {one.name} has ended {time.monotonic() - since:.2f} s after it was told to")
            self.kafka.start(1)
            self.answered(crowd)
        self.judge(self.site, crowd)


class OnFiles(Failover):
    """Standbys of the same folder: the lock decides, and a leader that is stopped keeps it."""

    def setUp(self):
        self.site = Site(self)
        self.first = self.site.controllers[0]
        self.more = [self.site.add(name, folder=self.site.cluster.dir) for name in ("second", "third")]
        for one in self.more:
            wait_for(f"controller {one.name} to stand by", 30, lambda one=one: self.aside(one).get("role") == "standby")

    def aside(self, controller):
        return controller.status(self.site.cluster.dir / f"run/controllers/{controller.pid()}.sock")

    def leading(self):
        """The process that answers at the folder's socket."""
        return wait_for("a controller to lead", 30, lambda: self.first.status().get("pid"))

    def one_after_another(self, crowd, number, rounds):
        outages = []
        for _ in range(rounds):
            pid = self.leading()
            outages.append(self.fault(crowd, f"signal {number} to {pid}", lambda: os.kill(pid, number)))
            for one in self.more:
                if one.process.poll() is not None:
                    self.site.start(one)
            self.assertNotEqual(self.leading(), pid)
        return outages

    def test_leaders_that_are_killed_or_leave_are_followed_at_once(self):
        with Crowd(self.site.cluster.work, [self.first.door], [self.site.cluster.dir / "run/query.sock"], seed=1,
                   nodes_max=2, rate=15) as crowd:
            self.answered(crowd)
            outages = self.one_after_another(crowd, signal.SIGKILL, 5)
            outages += self.one_after_another(crowd, signal.SIGTERM, 3)
        self.judge(self.site, crowd, outages, most=1)
        self.all_are_listed()

    def all_are_listed(self):
        c = self.site.cluster
        told = json.loads(c.good("docket", "controllers", "--json", "--epochs", 20))
        roles = sorted(one["status"]["role"] for one in told["controllers"])
        self.assertEqual(roles, ["leading", "standby", "standby"])
        started = [event for event in self.site.events() if event["type"] == "ControllerStarted"]
        self.assertEqual([(one["epoch"], one["seq"], one["host"]) for one in told["epochs"]],
                         [(one["epoch"], one["seq"], one["host"]) for one in reversed(started)])
        self.assertEqual(len(told["epochs"]), 9)
        newest = c.good("docket", "controllers", "--epochs", 2)
        self.assertRegex(newest, r"(?m)^\S+/control.sock +leading ")
        self.assertEqual(len(newest.splitlines()), 1 + 3 + 1 + 1 + 2, newest)
        c.down()
        wait_for("a standby, which is the test's, to lead", 10, lambda: c.run("docket", "controllers").returncode == 0)
        for one in self.more:
            one.process.terminate()
            self.assertEqual(one.process.wait(), 0)
        done = c.run("docket", "controllers")
        self.assertEqual(done.returncode, 4)
        self.assertIn("unreachable", done.stdout)
        self.assertIn("none of 1 leads", done.stderr)

    def test_a_leader_that_is_stopped_keeps_the_lead_and_what_it_had_is_answered(self):
        with Crowd(self.site.cluster.work, [self.first.door], [self.site.cluster.dir / "run/query.sock"], seed=2,
                   nodes_max=2, rate=15) as crowd:
            self.answered(crowd)
            pid = self.leading()
            crowd.fault(f"stop {pid}")
            os.kill(pid, signal.SIGSTOP)
            time.sleep(3)
            for one in self.more:
                if one.pid() != pid:
                    self.assertEqual(self.aside(one).get("role"), "standby")
            crowd.fault(f"continue {pid}")
            os.kill(pid, signal.SIGCONT)
            self.answered(crowd)
            self.assertEqual(self.leading(), pid)
        self.judge(self.site, crowd)


if __name__ == "__main__":
    main()
