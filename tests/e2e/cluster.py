"""A cluster of real processes for a test: its own folder, found by DOCKET_DIR, ended with all its processes.

    from cluster import Cluster, main
    class Jobs(ClusterCase): ...

BUILD is the build folder (argument 1 of each test): bin/ has docket and the daemons, slurm/ the Slurm names.
"""

import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None
SLOW = 4 if (BUILD and (BUILD / "bin").exists() and "dev" in BUILD.name) else 1  # sanitizers


def wait_for(what, seconds, ready):
    """Until ready() is true (its value is returned); fails, naming `what`, after so many seconds."""
    end = time.monotonic() + seconds * SLOW
    while True:
        value = ready()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds * SLOW} s in vain: {what}")
        time.sleep(0.02)


class Cluster:
    def __init__(self, nodes=3, cores=2, options=(), folder=None, environment=None, log=None):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="docket-e2e-"))
        os.chmod(self.root, 0o755)
        self.dir = pathlib.Path(folder) if folder else self.root / "cluster"
        self.log = log or f"file:{self.dir}/log"
        self.work = self.root / "work"
        self.work.mkdir()
        os.chmod(self.work, 0o777)
        self.options = ["--nodes", str(nodes), "--cores-per-node", str(cores), *(["--log", log] if log else []), *options]
        self.environment = dict(os.environ)
        for name in list(self.environment):
            if name.startswith(("SLURM_", "SBATCH_", "SQUEUE_", "SINFO_", "SACCT_", "DOCKET_")):
                del self.environment[name]
        self.environment.update(environment or {})
        self.environment["DOCKET_DIR"] = str(self.dir)
        self.environment["PATH"] = f"{BUILD}/slurm:{BUILD}/bin:" + os.environ["PATH"]

    # --- its life ---

    def up(self, *more):
        done = self.run("docketd", "up", "--dir", str(self.dir), "--detach", *self.options, *more)
        if done.returncode != 0:
            raise AssertionError(f"docketd up: {done.stderr}\n{self.remarks()}")
        return self

    def down(self, jobs=True):
        return self.run("docketd", "down", "--dir", str(self.dir), *(["--jobs"] if jobs else []))

    def remove(self):
        if self.dir.exists():
            self.down()
        found = self.findings()
        shutil.rmtree(self.root, ignore_errors=True)
        if found:
            raise AssertionError(f"a daemon's sanitizer or check complained:\n{found}")

    def findings(self):
        """What sanitizers and broken checks wrote into the daemons' logs: the first lines of each."""
        found = []
        for path in sorted((self.dir / "logs").glob("*.log")):
            lines = path.read_text(errors="replace").splitlines()
            for number, line in enumerate(lines):
                if any(word in line for word in ("Sanitizer:", "runtime error:", "internal error")):
                    found.append(f"--- {path.name}\n" + "\n".join(lines[number:number + 25]))
                    break
        return "\n".join(found)

    def remarks(self):
        """The last lines of what the daemons said, for a failure's message."""
        text = []
        for path in sorted((self.dir / "logs").glob("*.log")):
            text.append(f"--- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-8:]))
        return "\n".join(text)

    def pid(self, part):
        """The process of "controller", "projector", "node n1" or "supervisor"; 0: it does not run."""
        if part == "supervisor":
            return int((self.dir / "run/docketd.pid").read_text() or 0)
        try:
            lines = (self.dir / "run/children").read_text().splitlines()
        except FileNotFoundError:
            return 0
        for line in lines:
            pid, _, name = line.split(" ", 2)
            if name == part:
                return int(pid)
        return 0

    def kill(self, part, how=signal.SIGKILL):
        pid = self.pid(part)
        if pid:
            try:
                os.kill(pid, how)
            except ProcessLookupError:
                pass
        return pid

    # --- talking to it ---

    def run(self, *words, stdin=None, cwd=None, timeout=120, environment=None, user=None):
        arguments = {}
        if user is not None:
            arguments = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
        return subprocess.run(
            [str(word) for word in words], input=stdin, capture_output=True, text=True,
            cwd=cwd or self.work, timeout=timeout * SLOW,
            env={**self.environment, **(environment or {})}, errors="replace", **arguments)

    def good(self, *words, **more):
        """Standard output of a command that has to succeed."""
        done = self.run(*words, **more)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, words))}: status {done.returncode}\n{done.stdout}{done.stderr}\n"
                                 f"{self.remarks()}")
        return done.stdout

    def script(self, name, *lines, interpreter="#!/bin/sh"):
        path = self.work / name
        path.write_text("\n".join([interpreter, *lines]) + "\n")
        path.chmod(0o755)
        return path

    def submit(self, *words, **more):
        """sbatch; the new job's id."""
        return int(self.good("sbatch", "--parsable", *words, **more).split(";")[0])

    def state(self, job):
        out = self.good("sacct", "-X", "-n", "-P", "-j", job, "-o", "State").splitlines()
        return out[0] if out else ""

    def wait_state(self, job, *states, seconds=30):
        return wait_for(f"job {job} to be {' or '.join(states)}", seconds,
                        lambda: (lambda now: now if now.split(" ")[0] in states else None)(self.state(job)))

    def wait_empty(self, seconds=60):
        wait_for("an empty queue", seconds, lambda: not self.good("squeue", "-h").strip())

    def events(self, *types):
        """All events of the log, or those of some types, as a reader of the log sees them."""
        out = self.good("docket", "log", "cat", self.log, timeout=300)
        events = [json.loads(line) for line in out.splitlines()]
        return [event for event in events if not types or event["type"] in types]

    def audit(self):
        """Chain, digests, and every decision made again."""
        return self.good("docket", "audit", "verify", self.log, timeout=300)


class ClusterCase(unittest.TestCase):
    """One cluster for all tests of a class."""

    nodes, cores, options = 3, 2, ()

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(cls.nodes, cls.cores, cls.options)
        try:
            cls.cluster.up()
        except BaseException:
            cls.cluster.remove()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.cluster.remove()

    def output(self, name, seconds=30):
        """A file's text once it is there and not empty."""
        path = self.cluster.work / name
        return wait_for(f"output in {name}", seconds, lambda: path.exists() and path.read_text())


def main():
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
