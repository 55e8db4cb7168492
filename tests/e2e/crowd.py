"""Clients for histories: threads that submit, hold, release and cancel through any door, and write down what came of it.

    crowd = Crowd(work, doors=[socket of a controller, ...], queries=[socket of a projector, ...], seed=7)
    with crowd: ...do things to the cluster...
    crowd.history()         # for history.judge(), once the queue is empty

A client keeps at a request, at one door after the other and with the same key, until it is answered; each try is a record of
its own. When the crowd is to stop, it gets every open request answered and every held job out of the queue:
what it can't within `patience` seconds is in crowd.unanswered. Doors are Unix sockets: they prove who asks, on
whatever host (network namespace) they are.
"""

import http.client
import json
import random
import socket
import threading
import time

from cluster import SLOW

CALL_SECONDS = 4 * SLOW  # then a door is taken for paused, and the next one is asked
SCRIPT = """#!/bin/bash
n=$$.$RANDOM$RANDOM a=$((${{SLURM_RESTART_COUNT:-0}} + 1))
echo b $SLURM_JOB_ID $a $n $EPOCHREALTIME $SLURM_CPUS_ON_NODE >>{ran}
sleep {seconds}
echo e $SLURM_JOB_ID $a $n $EPOCHREALTIME >>{ran}
"""


class Link(http.client.HTTPConnection):
    """HTTP on a Unix socket."""

    def __init__(self, path, timeout):
        super().__init__("docket", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self.path)
        except OSError as error:
            self.sock.close()
            self.sock = None
            raise Unreachable(str(error)) from error


class Unreachable(OSError):
    """Nobody listens: what was to be said was never said."""


class Caller:
    """Keeps a connection to the one of `paths` that worked last."""

    def __init__(self, paths, chance):
        self.paths, self.at = list(paths), chance.randrange(len(paths))
        self.link = None

    @property
    def path(self):
        return self.paths[self.at]

    def next(self):
        self.drop()
        self.at = (self.at + 1) % len(self.paths)

    def drop(self):
        if self.link is not None:
            self.link.close()
            self.link = None

    def call(self, method, target, body=None, seconds=CALL_SECONDS):
        """Status, headers and text; OSError or HTTPException when it broke, Unreachable when it never began."""
        if self.link is None:
            self.link = Link(self.path, seconds)
        try:
            self.link.request(method, target, body, {"Content-Type": "application/json"} if body else {})
            answer = self.link.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        except BaseException:
            self.drop()
            raise


class Crowd:
    def __init__(self, work, doors, queries, seed, clients=6, nodes_max=1, array=True, rate=None):
        self.work, self.doors, self.queries, self.seed = work, doors, queries, seed
        self.ran = work / "ran"
        self.ran.touch()
        self.ran.chmod(0o666)
        self.records, self.unanswered, self.broken = [], [], []
        self.nodes_max, self.array, self.rate = nodes_max, array, rate
        self.patience = 60
        self.stopping = threading.Event()
        self.read_enough = threading.Event()
        self.clients = [threading.Thread(target=self.guard, args=(self.client, number), daemon=True) for number in range(clients)]
        self.reader_thread = threading.Thread(target=self.guard, args=(self.reader, clients), daemon=True)

    def __enter__(self):
        for thread in [*self.clients, self.reader_thread]:
            thread.start()
        return self

    def __exit__(self, *why):
        self.stopping.set()
        for thread in self.clients:
            thread.join()
        self.read_enough.set()
        self.reader_thread.join()

    def guard(self, run, number):
        try:
            run(number)
        except Exception as error:  # a thread's fault is the test's
            self.broken.append(repr(error))
            raise

    def fault(self, what):
        """Written down for people: what is done to the cluster now."""
        self.records.append({"kind": "fault", "at": time.monotonic(), "what": what})

    def history(self):
        return [*self.records, *self.runs()]

    def answered(self):
        """How many calls have been answered so far."""
        return sum(1 for record in self.records[:] if record["kind"] == "call" and record["outcome"] == "ok")

    # --- a client ---

    def client(self, number):
        chance = random.Random(f"{self.seed}-{number}")
        caller, asker = Caller(self.doors, chance), Caller(self.queries, chance)
        jobs, held = [], set()
        while not self.stopping.is_set():
            kind = chance.choices(("SubmitJob", "HoldJob", "ReleaseJob", "CancelJob"), (70, 10, 12, 8))[0]
            job = None
            if kind != "SubmitJob":
                job = chance.choice(sorted(held) if kind == "ReleaseJob" and held else jobs[-8:] or [0])
                if job == 0:
                    continue
            answer = self.ask(caller, chance, number, kind, job)
            if answer is None:
                continue
            self.remember(kind, job or answer.get("job"), answer, jobs, held)
            if kind == "SubmitJob" and "job" in answer and chance.random() < 0.3:
                self.look(asker, answer["job"], answer["seq"])
            if self.rate:
                time.sleep(chance.expovariate(self.rate))
        for job in sorted(held):
            self.ask(caller, chance, number, "CancelJob", job)
        caller.drop()
        asker.drop()

    @staticmethod
    def remember(kind, job, answer, jobs, held):
        if answer["result"] == "rejected":
            return
        if kind == "SubmitJob":
            jobs.append(job)
            if answer["held"]:
                held.add(job)
        elif kind == "HoldJob":
            held.add(job)
        else:
            held.discard(job)

    def request(self, chance, kind, key, job):
        if kind != "SubmitJob":
            return {"type": kind, "key": key, "job": job}
        spec = {"name": "crowd", "nodes": chance.randint(1, self.nodes_max), "tasks": 1, "cpus_per_task": chance.randint(1, 2),
                "requeue": True, "hold": chance.random() < 0.15, "work_dir": str(self.work),
                "launch": {"std_out": "/dev/null"}}
        spec["tasks"] = spec["nodes"]
        if self.array and chance.random() < 0.05:
            spec["array"] = {"ranges": [{"first": 1, "last": 3, "step": 1}], "running_max": 0}
        script = SCRIPT.format(ran=self.ran, seconds=f"0.{chance.randint(1, 30):02}")
        return {"type": kind, "key": key, "spec": spec, "script": script}

    def ask(self, caller, chance, number, kind, job):
        """One request, until it is answered; None: it was not, in all the time there is."""
        key = f"{chance.getrandbits(128):032x}"
        request = self.request(chance, kind, key, job)
        end = None  # patience begins when everything has been healed
        while True:
            record = {"kind": "call", "client": number, "key": key, "type": kind, "job": job, "door": str(caller.path)}
            self.try_once(caller, record, json.dumps(request))
            self.records.append(record)
            if record["outcome"] == "ok":
                return {**record["answer"], "held": request.get("spec", {}).get("hold", False)}
            if self.stopping.is_set():
                end = end or time.monotonic() + self.patience
                if time.monotonic() > end:
                    self.unanswered.append(record)
                    return None
            caller.next()
            time.sleep(0.05)

    @staticmethod
    def try_once(caller, record, body):
        record["invoked"] = time.monotonic()
        try:
            status, _, text = caller.call("POST", "/v1/requests", body)
            record["outcome"] = "ok" if status == 200 else "fail" if status in (400, 401, 413) else "unknown"
            if status == 200:
                answer = json.loads(text)
                record["answer"], record["batch"] = answer["results"][0], answer["seq"]
            else:
                record["said"] = f"{status} {text[:200]}"
        except Unreachable as error:
            record["outcome"], record["said"] = "fail", str(error)
        except (OSError, http.client.HTTPException, ValueError) as error:
            record["outcome"], record["said"] = "unknown", repr(error)
        record["returned"] = time.monotonic()

    # --- who looks ---

    def look(self, asker, job, after):
        """What was written is read by whoever names its seq."""
        target = f"/v1/jobs?id={job}&state=all&fields=id,state&after_seq={after}&wait_ms={1000 * SLOW}"
        try:
            status, headers, text = asker.call("GET", target)
        except (OSError, http.client.HTTPException):
            asker.next()
            return
        if status != 200:
            asker.next()
            return
        rows = json.loads(text)["rows"]
        self.records.append({"kind": "row", "job": job, "after": after, "at": int(headers["Docket-Seq"]),
                             "found": bool(rows), "state": rows[0]["state"] if rows else None})

    def reader(self, number):
        """Follows the events as they are written, from whichever projector is there."""
        asker, after = Caller(self.queries, random.Random(f"{self.seed}-{number}")), 0
        while not self.read_enough.is_set():
            try:
                status, _, text = asker.call("GET", f"/v1/events?after={after}&limit=1000&wait_ms=300")
            except (OSError, http.client.HTTPException):
                asker.next()
                time.sleep(0.05)
                continue
            if status != 200:
                asker.next()
                time.sleep(0.05)
                continue
            for line in text.splitlines():
                event = json.loads(line)
                after = max(after, event["seq"])
                self.records.append({"kind": "seen", "event": event})
        asker.drop()

    # --- what ran ---

    def runs(self):
        begun, ended, order = {}, {}, []
        for line in self.ran.read_text().splitlines():
            what, job, attempt, nonce, clock, *cores = line.split()
            if what == "b":
                order.append((int(job), int(attempt), nonce))
                begun[order[-1]] = (float(clock), int(cores[0]))
            else:
                ended[int(job), int(attempt), nonce] = float(clock)
        return [{"kind": "ran", "job": job, "attempt": attempt, "nonce": nonce, "begun": begun[job, attempt, nonce][0],
                 "cores": begun[job, attempt, nonce][1], "ended": ended.get((job, attempt, nonce))}
                for job, attempt, nonce in order]
