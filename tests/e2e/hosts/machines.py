"""A cluster of several hosts (net.py): each with a folder, a munged and daemons of its own, in one key of MUNGE and one of the cluster.

    site = Site(net, {"h1": "controller projector node", "h2": "node"}, log="kafka://10.77.0.9:9092/docket")
    with site:
        site.good("h1", "sbatch", ...)      # on that host, which finds its own folder
        site.kill("h1", "controller")       # site.start("h1", "controller") brings it back
    site.log                                # what `docket log cat` takes, on any host of it

Controllers listen at port 7801 of their host, projectors at 7802. Daemons are not started again when they end: a test
says when. What they say is in site.remarks() for failures, and a sanitizer's finding fails whoever leaves `with`.
"""

import contextlib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time

import history
from cluster import BUILD, SLOW, wait_for
from crowd import Caller
from munged import Munged, make_key

PROGRAMS = {"controller": ["docketd", "controller"], "projector": ["docketd-projector"], "node": ["docketd-node"]}
TOPOLOGY = "Package:1 Core:{} PU:1"


class Site:
    def __init__(self, net, hosts, log=None, cores=4, configuration=""):
        self.net, self.cores, self.configuration = net, cores, configuration
        self.hosts = {host: parts.split() for host, parts in hosts.items()}
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="docket-hosts-"))
        os.chmod(self.root, 0o755)
        self.work = self.root / "work"
        self.work.mkdir(mode=0o777)
        self.work.chmod(0o777)
        self.log = log or f"file:{self.dir(self.having('controller')[0])}/log"
        self.processes, self.munged = {}, {}
        self.environment = {name: value for name, value in os.environ.items()
                            if not name.startswith(("SLURM_", "SBATCH_", "SQUEUE_", "SACCT_", "DOCKET_"))}
        self.environment["PATH"] = f"{BUILD}/slurm:{BUILD}/bin:" + os.environ["PATH"]

    def having(self, part):
        return [host for host, parts in self.hosts.items() if part in parts]

    def dir(self, host):
        return self.root / host / "cluster"

    def doors(self):
        return [self.dir(host) / "run/control.sock" for host in self.having("controller")]

    def queries(self):
        return [self.dir(host) / "run/query.sock" for host in self.having("projector")]

    def addresses(self, part, port, first=None):
        """Where that part is, beginning with the own host: nobody has to go far."""
        hosts = sorted(self.having(part), key=lambda host: host != first)
        return ", ".join(f"{self.net.address(host)}:{port}" for host in hosts)

    # --- its life ---

    def __enter__(self):
        try:
            key, secret = make_key(), os.urandom(32).hex()
            for host in self.hosts:
                self.furnish(host, key, secret)
            for part in ("controller", "projector", "node"):
                for host in self.having(part):
                    self.start(host, part)
                if part == "controller":
                    wait_for("a controller to lead", 15, self.leader)
                elif part == "projector" and self.configuration:
                    self.configure()
            self.wait_nodes(*["IDLE"] * len(self.having("node")))
        except BaseException as error:
            remarks = self.remarks()
            self.remove()
            raise AssertionError(f"{error}\n{remarks}") from error
        return self

    def __exit__(self, kind, *_):
        found = self.findings()
        self.remove()
        if found and kind is None:
            raise AssertionError(f"a daemon's sanitizer or check complained:\n{found}")

    def furnish(self, host, key, secret):
        self.dir(host).mkdir(parents=True)
        (self.root / host / "logs").mkdir()
        self.munged[host] = Munged(self.root / host / "munge", key)
        (self.dir(host) / "cluster.key").touch(mode=0o600)
        (self.dir(host) / "cluster.key").write_text(secret + "\n")
        lines = [f"controllers = {self.addresses('controller', 7801, host)}", f"projectors = {self.addresses('projector', 7802, host)}",
                 f"munge_socket = {self.munged[host].socket}", f"log = {self.log}"]
        if "controller" in self.hosts[host]:
            lines.append(f"listen = {self.net.address(host)}:7801")
        if "projector" in self.hosts[host]:
            lines.append(f"listen_query = {self.net.address(host)}:7802")
        (self.dir(host) / "docket.conf").write_text("\n".join(lines) + "\n")

    def start(self, host, part):
        words = [*PROGRAMS[part], "--dir", self.dir(host)]
        if part == "node":
            words += ["--name", host, "--topology", TOPOLOGY.format(self.cores), "--memory", 4096]
        with open(self.root / host / "logs" / f"{part}.log", "a", encoding="utf-8") as said:
            self.processes[host, part] = self.net.start(host, words, stdout=said, stderr=said, stdin=subprocess.DEVNULL,
                                                        env=self.environment, cwd=self.work)

    def kill(self, host, part, how=signal.SIGKILL):
        process = self.processes[host, part]
        process.send_signal(how)
        if how in (signal.SIGKILL, signal.SIGTERM):
            process.wait()

    def restart(self, host, part):
        """kill -9, and started again at once."""
        self.kill(host, part)
        self.start(host, part)

    def revive(self):
        """As a supervisor does: what has ended is started again. What that was: [(host, part)]."""
        ended = [place for place, process in self.processes.items() if process.poll() is not None]
        for host, part in ended:
            self.start(host, part)
        return ended

    def configure(self):
        shown = self.root / "site.yaml"

        def changed():
            done = self.run(self.having("controller")[0], "docket", "config", "show")
            shown.write_text(done.stdout)
            return done.returncode == 0

        wait_for("a configuration", 60, changed)
        lines = shown.read_text().splitlines()
        for name, value in self.configuration.items():
            lines = [line.split(":")[0] + f": {value}" if line.strip().startswith(name + ":") else line for line in lines]
        shown.write_text("\n".join(lines) + "\n")
        self.good(self.having("controller")[0], "docket", "config", "apply", shown)

    def remove(self):
        """Nodes end their jobs, then everything ends."""
        for (_, part), process in self.processes.items():
            process.send_signal(signal.SIGCONT)
            if part == "node":
                process.send_signal(signal.SIGUSR1)
        end = time.monotonic() + 5 * SLOW
        for (_, part), process in self.processes.items():
            if part == "node":
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.1, end - time.monotonic()))
            process.kill()
            process.wait()
        for munged in self.munged.values():
            munged.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    def said(self, host, part):
        path = self.root / host / "logs" / f"{part}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def remarks(self, lines=12):
        return "\n".join(f"--- {host} {part}\n" + "\n".join(self.said(host, part).splitlines()[-lines:])
                         for host, part in self.processes)

    def findings(self):
        found = []
        for host, part in self.processes:
            said = self.said(host, part).splitlines()
            for number, line in enumerate(said):
                if any(word in line for word in ("Sanitizer:", "runtime error:", "internal error")):
                    found.append(f"--- {host} {part}\n" + "\n".join(said[number:number + 25]))
                    break
        return "\n".join(found)

    # --- talking to it ---

    def run(self, host, *words, timeout=60, **more):
        return self.net.run(host, words, env={**self.environment, "DOCKET_DIR": str(self.dir(host))}, cwd=self.work,
                            timeout=timeout * SLOW, **more)

    def good(self, host, *words, **more):
        done = self.run(host, *words, **more)
        if done.returncode != 0:
            raise AssertionError(f"{host}: {' '.join(map(str, words))}: status {done.returncode}\n{done.stdout}{done.stderr}\n"
                                 f"{self.remarks()}")
        return done.stdout

    def any(self):
        return self.having("controller")[0]

    def status(self, host):
        """What the controller of that host says of itself; {} when it says nothing."""
        caller = Caller([self.dir(host) / "run/control.sock"], random.Random(1))
        try:
            code, _, text = caller.call("GET", "/v1/status", seconds=2)
        except (OSError, http.client.HTTPException):
            return {}
        finally:
            caller.drop()
        return json.loads(text) if code == 200 else {}

    def leader(self):
        """The host whose controller leads, None: none does. One that is cut off believes so for longer: the newest epoch counts."""
        leading = {host: said for host in self.having("controller") if (said := self.status(host)).get("role") == "leading"}
        return max(leading, key=lambda host: leading[host]["epoch"], default=None)

    def submit(self, host, *words):
        return int(self.good(host, "sbatch", "--parsable", *words).split(";")[0])

    def nodes(self, host=None):
        """Name: state of every node."""
        done = self.run(host or self.any(), "sinfo", "-h", "-N", "-o", "%N %T")
        return dict(line.split() for line in done.stdout.splitlines())

    def wait_nodes(self, *states, host=None, seconds=60):
        states = sorted(state.lower() for state in states)
        wait_for(f"nodes to be {states}", seconds, lambda: sorted(state.rstrip("*") for state in self.nodes(host).values()) == states)

    def state(self, job, host=None):
        out = self.good(host or self.any(), "sacct", "-X", "-n", "-P", "-j", job, "-o", "State").splitlines()
        return out[0] if out else ""

    def wait_state(self, job, *states, host=None, seconds=20):
        try:
            return wait_for(f"job {job} to be {' or '.join(states)}", seconds,
                            lambda: (lambda now: now if now.split(" ")[0] in states else None)(self.state(job, host)))
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.run(host or self.any(), 'squeue').stdout[:2000]}\n{self.remarks()}") from error

    def wait_empty(self, seconds=90, host=None):
        wait_for("an empty queue", seconds, lambda: not self.good(host or self.any(), "squeue", "-h").strip())

    def events(self, host=None):
        out = self.good(host or self.any(), "docket", "log", "cat", self.log, timeout=300)
        return [json.loads(line) for line in out.splitlines()]

    def judge(self, crowd, host=None):
        """Once the queue is empty: audited by the program, then by ourselves (history.py). What is wrong, in one text; "": nothing."""
        audit = self.audit(host)
        records, events = crowd.history(), self.events(host)
        wrong = history.judge(records, events) + crowd.broken + [f"never answered: {call}" for call in crowd.unanswered]
        print("   ", history.summary(records), "epochs", events[-1]["epoch"])
        if "good" not in audit:
            wrong.append(audit)
        if not wrong:
            return ""
        kept = pathlib.Path(f"{self.root}-kept")
        history.keep(kept, records, events)
        return "\n".join([*wrong[:20], f"{len(wrong)} faults; kept in {kept}", self.remarks()])

    def audit(self, host=None):
        return self.good(host or self.any(), "docket", "audit", "verify", self.log, timeout=300)
