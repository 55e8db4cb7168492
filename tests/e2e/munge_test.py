#!/usr/bin/env python3
"""Over TCP everybody proves who they are, by real munged of the tests' own: what is wrong is refused and recorded."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
import urllib.request

from cluster import BUILD, SLOW, Cluster, main, wait_for
from middle import Middle
from munged import AVAILABLE, Munged, digest_of_call, make_key

if os.getuid() != 0 or not AVAILABLE:
    print("skipped: only root can be several users" if AVAILABLE else "skipped: munge is not installed")
    sys.exit(77)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Site:
    """A cluster whose daemons listen on TCP, with a munged of theirs, and a client elsewhere with another one
    of the same key."""

    def __init__(self):
        self.cluster = Cluster(nodes=1, cores=4)
        self.control, self.query = free_port(), free_port()
        key = self.key = make_key()
        root = self.cluster.root
        self.munged = Munged(root / "munged", key)
        self.remote_munged = Munged(root / "remote-munged", key)
        self.foreign_munged = Munged(root / "foreign-munged", make_key())
        self.folder(self.cluster.dir, self.munged, listen=f"127.0.0.1:{self.control}, [::1]:{self.control}",
                    listen_query=f"127.0.0.1:{self.query}")
        self.remote = self.folder(root / "remote", self.remote_munged)
        self.agents, self.projectors = [], []

    def folder(self, path, munged, **more):
        """A folder with docket.conf alone, as a host has it that runs none of the daemons."""
        path.mkdir()
        path.chmod(0o755)
        settings = {"controllers": f"127.0.0.1:1, 127.0.0.1:{self.control}",
                    "projectors": f"127.0.0.1:1 127.0.0.1:{self.query}", "munge_socket": munged.socket, **more}
        (path / "docket.conf").write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
        return {"DOCKET_DIR": str(path)}

    def agent(self, name, projectors=None, munged=None):
        """An agent on a host of its own; its remarks are in the file that is returned."""
        self.folder(self.cluster.root / name, munged or self.remote_munged)
        process, said = self.spawn(
            name, "docketd-node", "--name", name, "--topology", "Package:1 Core:2 PU:1", "--memory", "1000",
            *(["--projectors", projectors] if projectors else []))
        self.agents.append(process)
        return said

    def spawn(self, name, program, *words):
        """The process, and the file of its remarks."""
        said = self.cluster.root / f"{name}.said"
        with said.open("w") as file:
            return subprocess.Popen([BUILD / "bin" / program, "--dir", self.cluster.root / name, *words],
                                    env=self.cluster.environment, stderr=file), said

    def projector(self, name):
        """Another projector of the same log, with views of its own: its process and port."""
        c, port = self.cluster, free_port()
        path = c.root / name
        self.folder(path, self.munged, listen_query=f"127.0.0.1:{port}", log=f"file:{c.dir}/log")
        for what in ("blobs", "cluster.key", "user.keys"):
            (path / what).symlink_to(c.dir / what)
        for what in ("run", "views"):
            (path / what).mkdir()
        self.projectors.append(self.spawn(name, "docketd-projector")[0])

        def serves():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/status") as answer:
                    return not json.load(answer)["reading_the_log"]
            except OSError:
                return False
        wait_for("the second projector", 20, serves)
        return self.projectors[-1], port

    def remove(self):
        for projector in self.projectors:
            projector.kill()
            projector.wait()
        for agent in self.agents:
            agent.send_signal(signal.SIGUSR1)
        for agent in self.agents:
            agent.wait()
        for munged in (self.munged, self.remote_munged, self.foreign_munged):
            if munged.process:
                munged.hang(False)
        found = [path.name for path in self.cluster.root.glob("*.said")
                 if any(word in path.read_text() for word in ("Sanitizer:", "runtime error:", "internal error"))]
        self.cluster.remove()
        for munged in (self.munged, self.remote_munged, self.foreign_munged):
            munged.stop()
        if found:
            raise AssertionError(f"a sanitizer or check complained: {found}")


FAKE_CLOCK = BUILD / "tests/e2e/test_fake_clock.so"
CANCEL = json.dumps({"type": "CancelJob", "job": 999999}).encode()


class OverTcp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site()
        cls.cluster = cls.site.cluster
        try:
            cls.cluster.up()
        except BaseException:
            cls.site.remove()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.site.remove()

    # --- calls made by hand ---

    def call(self, credential, body=CANCEL, method="POST", target="/v1/requests", port=None, timeout=60,
             host="127.0.0.1", **headers):
        """Status and body of the answer."""
        connection = http.client.HTTPConnection(host, port or self.site.control, timeout=timeout * SLOW)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if credential is not None:
            headers["Docket-Credential"] = credential
        if body:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()

    def good(self, user=None, body=CANCEL, method="POST", target="/v1/requests", **more):
        return self.site.remote_munged.credential(digest_of_call(method, target, body), user, **more)

    def ask(self, target, user=None):
        return self.call(self.good(user, b"", "GET", target), b"", "GET", target, self.site.query)

    def refused(self, credential, reason, uid, **more):
        """The call is answered 401, and what is recorded is of this reason and actor."""
        before = len(self.cluster.events("RequestRejected"))
        status, body = self.call(credential, **more)
        self.assertEqual(status, 401, body)
        self.assertIn(reason, body)
        event = self.cluster.events("RequestRejected")[before:]
        self.assertEqual([e["reason"] for e in event], [reason])
        if uid is None:
            self.assertIsNone(event[0].get("actor"))
            self.assertIn("127.0.0.1", event[0]["detail"])
        else:
            self.assertEqual(event[0]["actor"]["uid"], uid)
            self.assertEqual(event[0]["actor"]["host"], "127.0.0.1")

    def test_a_good_call_is_of_who_made_its_credential(self):
        before = len(self.cluster.events("RequestRejected"))
        status, body = self.call(self.good("daemon"))
        self.assertEqual((status, json.loads(body)["results"][0]["reason"]), (200, "NOT_FOUND"))
        event = self.cluster.events("RequestRejected")[before]
        self.assertEqual(event["actor"], {"uid": 1, "gid": 1, "user": "daemon", "host": "127.0.0.1"})

    def test_a_call_may_come_by_ipv6(self):
        before = len(self.cluster.events("RequestRejected"))
        self.assertEqual(self.call(self.good("daemon"), host="::1")[0], 200)
        self.assertEqual(self.cluster.events("RequestRejected")[before]["actor"]["host"], "::1")

    def test_a_script_of_megabytes_comes_whole(self):
        script = self.cluster.script("large.sh", *["# " + "x" * 1000] * 3000, "echo at the end")
        job = self.cluster.submit("-o", "large.out", script, environment=self.site.remote)
        self.cluster.wait_state(job, "COMPLETED", seconds=60)
        self.assertEqual((self.cluster.work / "large.out").read_text(), "at the end\n")

    def test_the_same_credential_twice_is_a_replay(self):
        credential = self.good("daemon")
        self.assertEqual(self.call(credential)[0], 200)
        self.refused(credential, "CREDENTIAL_REPLAYED", 1)

    def test_what_munged_forgot_by_a_restart_is_still_a_replay(self):
        credential = self.good("daemon")
        self.assertEqual(self.call(credential)[0], 200)
        self.site.munged.again()
        for text in (credential, credential + "x", credential.replace("MUNGE:", "MUNGE: ")):
            uid = 1 if text == credential else None
            self.refused(text, "CREDENTIAL_REPLAYED" if uid else "CREDENTIAL_INVALID", uid)

    def test_an_old_credential_is_expired(self):
        credential = self.good("daemon", ttl=1)
        time.sleep(3)
        self.refused(credential, "CREDENTIAL_EXPIRED", 1)

    def test_a_credential_from_the_future_is_not_valid_yet(self):
        clock = self.cluster.root / "ahead"
        clock.write_text("3600")
        with Munged(self.cluster.root / "ahead-munged", self.site.key,
                    {"LD_PRELOAD": str(FAKE_CLOCK), "DOCKET_TEST_CLOCK": str(clock)}) as ahead:
            credential = ahead.credential(digest_of_call("POST", "/v1/requests", CANCEL), "daemon")
        self.refused(credential, "CREDENTIAL_EXPIRED", 1)
        self.assertIn("future", self.cluster.events("RequestRejected")[-1]["detail"])

    def test_a_credential_fits_no_other_call(self):
        other = json.dumps({"type": "CancelJob", "job": 1}).encode()
        self.refused(self.good("daemon", other), "CREDENTIAL_MOVED", 1)
        self.refused(self.good("daemon", target="/v1/requests?x"), "CREDENTIAL_MOVED", 1)
        self.refused(self.good("daemon", method="GET"), "CREDENTIAL_MOVED", 1)

    def test_a_credential_for_another_cluster_fits_no_call(self):
        digest = digest_of_call("POST", "/v1/requests", CANCEL, cluster="other")
        self.refused(self.site.remote_munged.credential(digest, "daemon"), "CREDENTIAL_MOVED", 1)
        other = self.site.folder(self.cluster.root / "other", self.site.remote_munged, cluster="other")
        done = self.cluster.run("sbatch", "--wrap", "true", environment=other)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("cluster of another name", done.stderr)
        self.cluster.good("docket", "queue", environment={**other, "DOCKET_CLUSTER": "docket"})

    def test_a_credential_of_another_key_is_nobodys(self):
        self.refused(self.site.foreign_munged.credential(digest_of_call("POST", "/v1/requests", CANCEL)),
                     "CREDENTIAL_INVALID", None)

    def test_without_a_credential_nobody_asks(self):
        self.refused(None, "CREDENTIAL_INVALID", None)

    def test_what_is_no_credential_is_nobodys(self):
        for text in ("", "MUNGE:", "MUNGE:::", "MUNGE:AAAA:", "x" * 5000, "MUNGE:" + "A" * 900 + ":", "\x7f\x01"):
            self.refused(text, "CREDENTIAL_INVALID", None)

    def test_a_stranger_may_not_speak_for_nodes(self):
        job = self.cluster.submit("--wrap", "sleep 600")
        self.cluster.wait_state(job, "RUNNING")
        body = json.dumps({"type": "ReportEnd", "job": job, "attempt": 1, "state": "COMPLETED"}).encode()
        before = len(self.cluster.events("RequestRejected"))
        status, answer = self.call(self.good("daemon", body), body)
        self.assertEqual((status, json.loads(answer)["results"][0]["reason"]), (200, "NOT_PERMITTED"))
        event = self.cluster.events("RequestRejected")[before]
        self.assertEqual((event["reason"], event["actor"]["user"]), ("NOT_PERMITTED", "daemon"))
        self.assertEqual(self.cluster.state(job), "RUNNING")
        self.cluster.good("scancel", job)

    def test_a_flood_of_bad_calls_does_not_fill_the_log(self):
        used = self.good("daemon")
        self.call(used)
        for credential, reason in ((None, "CREDENTIAL_INVALID"), (used, "CREDENTIAL_REPLAYED")):
            def count(reason=reason):
                return len([e for e in self.cluster.events("RequestRejected") if e["reason"] == reason])
            time.sleep(1)
            before, began = count(), time.monotonic()
            for _ in range(200):
                self.assertEqual(self.call(credential)[0], 401)
            seconds = time.monotonic() - began
            self.assertLessEqual(count() - before, 10 * (seconds + 2))
            self.assertGreater(count(), before)
        self.assertGreater(json.loads(self.call(None, b"", "GET", "/v1/status")[1])["credentials_unrecorded"], 0)

    # --- the projector ---

    def test_questions_are_proven_too(self):
        self.assertEqual(self.ask("/v1/jobs", "daemon")[0], 200)
        self.assertEqual(self.call(None, b"", "GET", "/v1/jobs", self.site.query)[0], 401)
        credential = self.good("daemon", b"", "GET", "/v1/jobs?user=daemon")
        self.assertEqual(self.call(credential, b"", "GET", "/v1/jobs", self.site.query)[0], 401)
        for target in ("/v1/status", "/metrics"):
            self.assertEqual(self.call(None, b"", "GET", target, self.site.query)[0], 200)

    def test_scripts_are_for_their_owner_and_orders_for_agents(self):
        job = self.cluster.submit("-H", "--wrap", "secret-word", user="daemon")
        self.cluster.good("docket", "queue")
        self.assertIn("secret-word", self.ask(f"/v1/script?job={job}&after_seq=1", "daemon")[1])
        self.assertEqual(self.ask(f"/v1/script?job={job}", "nobody")[0], 403)
        self.assertEqual(self.ask(f"/v1/script?job={job}")[0], 200)
        node = self.cluster.good("sinfo", "-h", "-N", "-o", "%N").split()[0]
        self.assertEqual(self.ask(f"/v1/dispatch?node={node}", "daemon")[0], 403)
        self.assertEqual(self.ask(f"/v1/dispatch?node={node}")[0], 200)
        self.assertEqual(self.ask("/v1/blobs/" + "00" * 32, "daemon")[0], 403)
        self.cluster.good("scancel", job)

    # --- clients and agents ---

    def test_a_client_elsewhere_submits_and_looks(self):
        c = self.cluster
        job = c.submit("--wrap", "true", user="daemon", environment=self.site.remote)
        c.wait_state(job, "COMPLETED")
        self.assertIn(f"{job}", c.good("sacct", "-X", "-n", "-j", job, user="daemon", environment=self.site.remote))
        self.assertIn("UP", c.good("scontrol", "ping", environment=self.site.remote))
        event = [e for e in c.events("JobSubmitted") if e["job"] == job][0]
        self.assertEqual((event["actor"]["user"], event["actor"]["host"]), ("daemon", "127.0.0.1"))

    def test_a_client_of_another_key_is_told_so(self):
        foreign = self.site.folder(self.cluster.root / "foreign", self.site.foreign_munged)
        done = self.cluster.run("sbatch", "--wrap", "true", environment=foreign)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("munge key", done.stderr)

    def test_a_client_without_munged_says_so_in_bounded_time(self):
        nobody = self.site.folder(self.cluster.root / "lonely", self.site.munged, munge_socket="/nowhere/socket")
        began = time.monotonic()
        done = self.cluster.run("docket", "submit", "--wrap", "true", environment=nobody)
        self.assertLess(time.monotonic() - began, 15 * SLOW)
        self.assertEqual(done.returncode, 4, done)
        self.assertIn("/nowhere/socket", done.stderr)

    def test_submissions_wait_for_a_munged_that_is_away(self):
        results = []
        self.site.munged.stop()
        thread = threading.Thread(target=lambda: results.append(
            self.cluster.run("sbatch", "--parsable", "--wrap", "true", environment=self.site.remote)))
        thread.start()
        time.sleep(2)
        self.assertEqual(results, [])
        self.site.munged.start()
        thread.join()
        self.assertEqual(results[0].returncode, 0, results[0])
        self.cluster.wait_state(int(results[0].stdout), "COMPLETED")

    def test_an_agent_elsewhere_runs_jobs(self):
        c = self.cluster
        self.site.agent("far")
        wait_for("the node", 20, lambda: "far" in c.good("sinfo", "-h", "-N", "-t", "idle", "-o", "%N"))
        job = c.submit("-w", "far", "-o", "far.out", "--wrap", "echo ran on $SLURMD_NODENAME")
        c.wait_state(job, "COMPLETED")
        self.assertEqual((c.work / "far.out").read_text(), "ran on far\n")

    def test_an_agent_goes_on_when_its_projector_dies(self):
        c = self.cluster
        projector, port = self.site.projector("second")
        said = self.site.agent("twice", f"127.0.0.1:{port}, 127.0.0.1:{self.site.query}")
        wait_for("the node", 20, lambda: "twice" in c.good("sinfo", "-h", "-N", "-t", "idle", "-o", "%N"))
        runs = c.submit("-w", "twice", "-n1", "-o", "twice.out", "--wrap", "echo begun; sleep 3; echo ended")
        wait_for("its beginning", 20, lambda: (c.work / "twice.out").exists())
        projector.kill()
        follows = c.submit("-w", "twice", "-n1", "--wrap", "true")
        for job in (runs, follows):
            c.wait_state(job, "COMPLETED")
        self.assertEqual((c.work / "twice.out").read_text(), "begun\nended\n")
        self.assertEqual(said.read_text().count("warning"), 0, said.read_text())

    def test_orders_without_proof_start_nothing(self):
        c = self.cluster
        with Middle(self.site.query) as middle:
            said = self.site.agent("mid", f"127.0.0.1:{middle.port}")
            wait_for("the node", 20, lambda: "mid" in c.good("sinfo", "-h", "-N", "-t", "idle", "-o", "%N"))
            wait_for("an answer that can be played again", 20, lambda: middle.kept)
            for how, why in (("strip", "there is no credential"), ("forge", "made for another call"),
                             ("replay", "")):
                middle.how = how
                count = middle.spoilt
                job = c.submit("-w", "mid", "-o", f"{how}.out", "--wrap", "echo ran")
                wait_for("spoilt answers", 20, lambda: middle.spoilt > count + 2)
                self.assertFalse((c.work / f"{how}.out").exists(), how)
                self.assertIn("does not prove its answer", said.read_text())
                middle.how = "pass"
                c.wait_state(job, "COMPLETED")
                self.assertEqual((c.work / f"{how}.out").read_text(), "ran\n")


class Hung(unittest.TestCase):
    def test_a_munged_that_hangs_costs_a_bounded_time_and_nobody_else(self):
        site = Site()
        c = site.cluster
        try:
            (c.dir / "docket.conf").write_text(f"listen = 127.0.0.1:{site.control}\nmunge_socket = "
                                               f"{site.munged.socket}\n")
            c.up()
            credential = site.remote_munged.credential(digest_of_call("POST", "/v1/requests", CANCEL))
            site.munged.hang()
            began, answers = time.monotonic(), []

            def call():
                answers.append(OverTcp.call(self, credential, port=site.control))
            self.site = site
            threads = [threading.Thread(target=call) for _ in range(12)]
            for thread in threads:
                thread.start()
            job = c.submit("--wrap", "true")  # by the socket: nobody waits for munged
            c.wait_state(job, "COMPLETED")
            self.assertEqual(answers, [])
            for thread in threads:
                thread.join()
            self.assertLess(time.monotonic() - began, 40)
            self.assertEqual({status for status, _ in answers}, {503})
            self.assertTrue(all("UNAVAILABLE" in body for _, body in answers), answers)
            site.munged.hang(False)
            self.assertEqual(OverTcp.call(self, site.remote_munged.credential(
                digest_of_call("POST", "/v1/requests", CANCEL)), port=site.control)[0], 200)
        finally:
            site.remove()


if __name__ == "__main__":
    main()
