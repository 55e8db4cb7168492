#!/usr/bin/env python3
"""A real Apache Kafka for tests and for trying things: one broker, or three, in a folder of its own.

    from broker import Broker, available
    with Broker(folder, brokers=3) as kafka:
        kafka.servers                     # "127.0.0.1:20001,127.0.0.1:20005,..."
        kafka.kill(1); kafka.start(1)     # brokers are counted from 1

    python3 broker.py --dir DIR [--brokers N] [--set NAME=VALUE]...    until SIGTERM or SIGINT; prints the servers
    python3 broker.py [...] -- COMMAND...    runs it with DOCKET_KAFKA=SERVERS and DOCKET_KAFKA_PIDS=PID,... (to be
                                             stopped and continued), ends with its status

The jars come from Maven once, into build/kafka-jars of the repository or $DOCKET_KAFKA_JARS, with what makes
the start quick: an archive of the loaded classes, and a formatted folder to copy. Without Java 17, or without Maven
and no jars yet: available() says why, the command line ends with 77 ("skipped").

Each broker is also a controller (KRaft). A broker dies with the thread that started it, so nothing is left behind.
On hosts of their own (network namespaces): hosts=[("10.1.0.1", ["ip", "netns", "exec", "h1"]), ...].
"""

import argparse
import base64
import contextlib
import ctypes
import fcntl
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
JARS = pathlib.Path(os.environ.get("DOCKET_KAFKA_JARS") or HERE.parents[2] / "build" / "kafka-jars")
SKIPPED = 77
JAVA = ["-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",
        "-Xshare:auto", "-Xlog:disable", "-Xlog:all=error:stderr", "-Djava.awt.headless=true",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS", "-Dlog4j2.statusLoggerLevel=OFF"]
SMALL = {  # quick to start, quick to notice a death, few threads and files
    "auto.create.topics.enable": "false",
    "broker.heartbeat.interval.ms": 300,
    "broker.session.timeout.ms": 2000,
    "controller.quorum.election.backoff.max.ms": 200,
    "controller.quorum.election.timeout.ms": 500,
    "controller.quorum.fetch.timeout.ms": 1500,
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    "initial.broker.registration.timeout.ms": 60000,
    "log.cleaner.dedupe.buffer.size": 4 << 20,
    "log.segment.delete.delay.ms": 1000,
    "num.io.threads": 4,
    "num.network.threads": 2,
    "num.partitions": 1,
    "offsets.topic.num.partitions": 1,
    "server.max.startup.time.ms": 120000,
    "share.coordinator.state.topic.num.partitions": 1,
    "transaction.state.log.num.partitions": 1,
}


def kafka_uuid(text):
    return base64.urlsafe_b64encode(text.encode()[:16]).decode().rstrip("=")


CLUSTER_ID = kafka_uuid("docket-tests-all")
# Of a record in __transaction_state: the producer's timeout (docket's: 600 s) and the transaction's state after it.
COMMIT_BEGUN, COMMIT_DONE = (struct.pack(">ib", 600000, state) for state in (2, 4))


# --- what has to be there once ---

def java_version():
    try:
        said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    except OSError:
        return 0
    found = re.search(r'version "(\d+)', said)
    return int(found.group(1)) if found else 0


def available():
    """None if a broker can be started here, else why not. Fetches the jars if they are not there yet."""
    if java_version() < 17:
        return "no Java 17 or newer on the PATH (Debian: openjdk-17-jre-headless)"
    JARS.mkdir(parents=True, exist_ok=True)
    with open(JARS / "lock", "w", encoding="ascii") as lock:  # tests run side by side
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = JARS / "ready"
        wanted = (HERE / "pom.xml").read_text() + f"java {java_version()}\n"
        if stamp.exists() and stamp.read_text() == wanted:
            return None
        why = fetch()
        if why is None:
            prepare()
            stamp.write_text(wanted)
        return why


def fetch():
    if shutil.which("mvn") is None:
        return "the jars of Kafka are not there, and no Maven to fetch them (Debian: maven)"
    shutil.rmtree(JARS / "lib", ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=JARS) as work:  # no target/ in the sources
        shutil.copy(HERE / "pom.xml", work)
        try:
            done = subprocess.run(
                ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={JARS}/lib"], cwd=work,
                capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=300)
        except subprocess.TimeoutExpired:
            return "the jars of Kafka can't be fetched: Maven takes more than 300 s"
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["it said nothing"]
        return "the jars of Kafka can't be fetched: " + lines[0]
    return None


def prepare():
    """Formats a folder to copy, and dumps the classes that a broker loads: a start takes half of the time."""
    template, archive = JARS / "template", JARS / "classes.jsa"
    shutil.rmtree(template, ignore_errors=True)
    archive.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=JARS) as work:
        kafka = Broker(work, formatted=False)
        kafka.configure(1)
        done = subprocess.run([*kafka.java(1), "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID,
                               "-c", str(kafka.folder(1) / "server.properties")],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"Kafka's folder can't be formatted:\n{done.stdout}{done.stderr}")
        shutil.copytree(kafka.folder(1) / "data", template)
        (template / "meta.properties").unlink()
        kafka.flags = [f"-XX:ArchiveClassesAtExit={archive}"]
        with kafka:
            kafka.stop(1)


# --- the brokers ---

def free_ports(count):
    """Free now, and below the ports that the system gives to connections: still free after a restart."""
    ports = []
    while len(ports) < count:
        port = random.randrange(15000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                if port not in ports:
                    ports.append(port)
    return ports


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Broker:
    """Kafka in `folder`; `properties` go into each server.properties. Not started before `with` or up()."""

    def __init__(self, folder, brokers=1, properties=None, hosts=None, formatted=True):
        self.root = pathlib.Path(folder).resolve()
        self.count = len(hosts) if hosts else brokers
        self.hosts = hosts or [("127.0.0.1", [])] * brokers
        ports = [9092, 9093] * self.count if hosts else free_ports(2 * self.count)
        self.ports = list(zip(ports[::2], ports[1::2]))  # clients, controllers
        self.properties = properties or {}
        self.formatted = formatted
        self.flags = [f"-XX:SharedArchiveFile={JARS}/classes.jsa"] if formatted else []
        self.processes = {}
        self.paused = set()

    @property
    def servers(self):
        return ",".join(self.server(i) for i in range(1, self.count + 1))

    def server(self, i):
        return f"{self.hosts[i - 1][0]}:{self.ports[i - 1][0]}"

    def folder(self, i):
        return self.root / f"broker-{i}"

    def __enter__(self):
        return self.up()

    def __exit__(self, *why):
        self.down()

    def up(self, timeout=90):
        try:
            for i in range(1, self.count + 1):
                self.start(i, wait=False)
            self.wait(timeout)
        except BaseException:
            self.down()
            raise
        return self

    def down(self):
        """Ends all of them at once: their folder is a test's, and goes with it."""
        for i in list(self.processes):
            self.kill(i)

    # --- one of them ---

    def start(self, i, wait=True):
        if i in self.processes:
            raise AssertionError(f"broker {i} runs already")
        if not (self.folder(i) / "data").exists():
            self.configure(i)
        with open(self.folder(i) / "log", "ab") as log:
            self.processes[i] = subprocess.Popen(
                [*self.hosts[i - 1][1], *self.java(i), "kafka.Kafka", str(self.folder(i) / "server.properties")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent,
                start_new_session=True, cwd=self.folder(i))
        if wait:
            self.wait()

    def kill(self, i):
        """kill -9, as a crash of the process. What it acknowledged is in the page cache, and so stays."""
        process = self.processes.pop(i)
        self.paused.discard(i)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def kill_in_a_commit(self, i, seconds=5):
        """When it has taken a commit of docket's and not noted that it is done: then the marker that shows the records to
        readers is not written yet, or is, and will be once more. At the latest after `seconds`; says whether it was then."""
        state = self.folder(i) / "data/__transaction_state-0/00000000000000000000.log"
        end, size = time.monotonic() + seconds, state.stat().st_size
        while time.monotonic() < end:
            now = state.stat().st_size
            if now > size:
                with open(state, "rb") as file:
                    file.seek(size)
                    added = file.read()
                size = now
                if COMMIT_BEGUN in added and added.rindex(COMMIT_BEGUN) > added.rfind(COMMIT_DONE):
                    self.kill(i)
                    return True
        self.kill(i)
        return False

    def stop(self, i, timeout=60):
        """Lets it end by itself."""
        self.resume(i)
        self.signal(i, signal.SIGTERM)
        try:
            self.processes[i].wait(timeout)
        finally:
            self.kill(i)

    def pause(self, i):
        self.signal(i, signal.SIGSTOP)
        self.paused.add(i)

    def resume(self, i):
        self.signal(i, signal.SIGCONT)
        self.paused.discard(i)

    def signal(self, i, number):
        os.killpg(self.processes[i].pid, number)

    def wait(self, timeout=60):
        """Until each broker that was started knows all that were."""
        end = time.monotonic() + timeout
        running = [i for i in self.processes if i not in self.paused]
        for i in running:
            while self.known(i) < len(running):
                if self.processes[i].poll() is not None:
                    raise RuntimeError(f"broker {i} ended by itself:\n{self.said(i)}")
                if time.monotonic() > end:
                    raise RuntimeError(f"broker {i} does not answer after {timeout} s:\n{self.said(i)}")
                time.sleep(0.05)

    def known(self, i):
        """How many living brokers this one knows; 0 if it does not answer."""
        address, prefix = self.hosts[i - 1]
        if not prefix:
            return brokers_known(address, self.ports[i - 1][0])
        done = subprocess.run([*prefix, sys.executable, __file__, "--probe", self.server(i)],
                              capture_output=True, text=True, check=False)
        return int(done.stdout.strip() or 0)

    def said(self, i, lines=30):
        path = self.folder(i) / "log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    # --- how it is started ---

    def java(self, i):
        return ["java", *JAVA, *self.flags, f"-Dkafka.logs.dir={self.folder(i)}", "-cp", f"{JARS}/lib/*"]

    def configure(self, i):
        folder, address = self.folder(i), self.hosts[i - 1][0]
        clients, controllers = self.ports[i - 1]
        several = min(self.count, 3)
        listeners = f"CLIENTS://{address}:{clients},CONTROLLERS://{address}:{controllers}"
        voters = (f"{n}@{self.hosts[n - 1][0]}:{self.ports[n - 1][1]}" for n in range(1, self.count + 1))
        lines = {
            "process.roles": "broker,controller",
            "node.id": i,
            "controller.quorum.voters": ",".join(voters),
            "listeners": listeners,
            "controller.listener.names": "CONTROLLERS",
            "inter.broker.listener.name": "CLIENTS",
            "listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLERS:PLAINTEXT",
            "log.dirs": folder / "data",
            "offsets.topic.replication.factor": several,
            "transaction.state.log.replication.factor": several,
            "transaction.state.log.min.isr": min(several, 2),
            "share.coordinator.state.topic.replication.factor": several,
            "share.coordinator.state.topic.min.isr": min(several, 2),
            **SMALL, **self.properties,
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "server.properties").write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        if self.formatted:
            shutil.copytree(JARS / "template", folder / "data")
            directory = kafka_uuid(f"docket-tests-{i:03}")
            (folder / "data" / "meta.properties").write_text(
                f"version=1\ncluster.id={CLUSTER_ID}\nnode.id={i}\ndirectory.id={directory}\n")


def brokers_known(address, port):
    """The smallest client of Kafka: a Metadata request of version 4, of whose answer the brokers are counted."""
    client = b"\x00\x05probe"
    body = struct.pack(">hhi", 3, 4, 1) + client + struct.pack(">i", 0) + b"\x00"
    with contextlib.suppress(OSError, struct.error):
        with socket.create_connection((address, port), timeout=2) as link:
            link.settimeout(2)
            link.sendall(struct.pack(">i", len(body)) + body)
            data = b""
            while len(data) < 4 or len(data) < 4 + struct.unpack_from(">i", data)[0]:
                got = link.recv(65536)
                if not got:
                    return 0
                data += got
            return struct.unpack_from(">i", data, 12)[0]  # after size, correlation and throttle
    return 0


# --- the command line ---

def arguments():
    parser = argparse.ArgumentParser(description="runs a real Apache Kafka in a folder, until SIGTERM or SIGINT, or for "
                                     "as long as COMMAND runs (which finds it by DOCKET_KAFKA)")
    parser.add_argument("--dir", help="its folder (default: a temporary one, removed at the end)")
    parser.add_argument("--brokers", type=int, default=1, help="how many brokers: 1 (default) or 3")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a property of the brokers")
    parser.add_argument("--probe", metavar="HOST:PORT", help="print how many brokers that one knows, and end")
    parser.add_argument("command", nargs="*", metavar="COMMAND", help="after --")
    return parser.parse_args()


def serve(kafka, command):
    if command:
        pids = ",".join(str(process.pid) for process in kafka.processes.values())
        process = subprocess.Popen(command, preexec_fn=die_with_parent,
                                   env={**os.environ, "DOCKET_KAFKA": kafka.servers, "DOCKET_KAFKA_PIDS": pids})
        return process.wait()
    print(kafka.servers, flush=True)
    while all(process.poll() is None for process in kafka.processes.values()):
        time.sleep(0.5)
    for i, process in kafka.processes.items():
        if process.poll() is not None:
            print(f"broker {i} ended by itself:\n{kafka.said(i)}", file=sys.stderr)
    return 1


def main():
    options = arguments()
    if options.probe:
        address, port = options.probe.rsplit(":", 1)
        print(brokers_known(address, int(port)))
        return 0
    why = available()
    if why is not None:
        print(f"skipped: {why}", file=sys.stderr)
        return SKIPPED
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.ExitStack() as stack:
        folder = options.dir or stack.enter_context(tempfile.TemporaryDirectory(prefix="docket-kafka-"))
        properties = dict(pair.split("=", 1) for pair in options.set)
        try:
            return serve(stack.enter_context(Broker(folder, options.brokers, properties)), options.command)
        except KeyboardInterrupt:
            return 0


if __name__ == "__main__":
    sys.exit(main())
