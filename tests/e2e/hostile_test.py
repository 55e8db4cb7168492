#!/usr/bin/env python3
"""Bytes that nobody should send, on both sockets: refused, and the service unharmed."""

import os
import random
import socket
import threading

from cluster import SLOW, ClusterCase, main


class Hostile(ClusterCase):
    def raw(self, name, data):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5 * SLOW)
            s.connect(f"{self.cluster.dir}/run/{name}.sock")
            try:
                s.sendall(data)
                return s.recv(65536)
            except (ConnectionError, socket.timeout):
                return b""

    def well(self):
        c = self.cluster
        job = c.submit("--wrap", "true")
        c.wait_state(job, "COMPLETED")

    def test_random_bytes(self):
        chance = random.Random(1)
        for name in ("control", "query"):
            for _ in range(200):
                self.raw(name, chance.randbytes(chance.randrange(1, 3000)) + b"\r\n\r\n")
        self.well()

    def test_bodies_that_are_cut_lied_about_or_too_large(self):
        for head in (b"Content-Length: 10\r\n\r\nabc", b"Content-Length: 99999999999\r\n\r\nabc",
                     b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc", b"Content-Length: -1\r\n\r\n"):
            for name in ("control", "query"):
                with socket.socket(socket.AF_UNIX) as s:
                    s.connect(f"{self.cluster.dir}/run/{name}.sock")
                    s.sendall(b"POST /v1/requests HTTP/1.1\r\nHost: x\r\nContent-Type: application/avro\r\n" + head)
        answer = self.raw("control", b"POST /v1/requests HTTP/1.1\r\nHost: x\r\nContent-Type: application/avro\r\n"
                          b"Content-Length: 100000000\r\nConnection: close\r\n\r\n" + b"x" * 100000000)
        self.assertTrue(b"413" in answer[:64] or answer == b"", answer[:64])
        self.well()

    def test_damaged_requests_are_recorded_refusals(self):
        c = self.cluster
        before = len([e for e in c.events("RequestRejected") if e["reason"] == "UNREADABLE"])
        for body in (b"", b"\xc3\x01", b"\xc3\x01" + b"\0" * 40, b"\0" * 100):
            answer = self.raw("control", b"POST /v1/requests HTTP/1.1\r\nHost: x\r\nContent-Type: application/avro\r\n"
                              b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            self.assertIn(b" 400 ", answer[:64])
        after = [e for e in c.events("RequestRejected") if e["reason"] == "UNREADABLE"]
        self.assertEqual(len(after) - before, 4)
        self.assertTrue(all(event["actor"]["uid"] == os.getuid() for event in after))
        self.well()

    def test_questions_that_make_no_sense_are_refused_by_name(self):
        for target, part in (("/v1/jobs?colour=red", b"colour"), ("/v1/jobs?fields=id,colour", b"colour"),
                             ("/v1/nodes?fields=" + "name," * 300, b"301 columns"),
                             ("/v1/nothing", b"nothing"), ("/v1/jobs?at_seq=x", b"at_seq"),
                             ("/v1/jobs?state=FLYING", b"FLYING"), ("/v1/jobs?id=1_2_3", b"1_2_3"),
                             ("/v1/explain?job=-1", b"job"), ("/v1/blobs/zz", b"")):
            answer = self.raw("query", f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            self.assertRegex(answer[:32].decode(), r" 40[0-9] ", target)
            self.assertIn(part, answer, target)

    def test_silent_connections_do_not_starve_others(self):
        held = []
        for _ in range(300):
            s = socket.socket(socket.AF_UNIX)
            s.connect(f"{self.cluster.dir}/run/control.sock")
            s.sendall(b"POST /v1/requests HTTP/1.1\r\n")
            held.append(s)
        self.well()
        for s in held:
            s.close()

    def test_who_takes_too_many_connections_is_hung_up_on_and_named(self):
        code = ("import socket\nheld = []\nfor _ in range(300):\n"
                "    s = socket.socket(socket.AF_UNIX)\n"
                f"    s.connect('{self.cluster.dir}/run/control.sock')\n"
                "    held.append(s)\n"
                "print(held[0].send(b'G'), len(held[-1].recv(1)))\n")
        self.assertEqual(self.cluster.good("/usr/bin/python3", "-c", code, user="daemon"), "1 0\n")
        self.assertIn("user 1 is hung up on: it has a quarter of the 1024 connections", self.cluster.remarks())
        self.well()

    def test_many_askers_at_once_are_all_answered(self):
        c, failed = self.cluster, []

        def ask():
            for _ in range(20):
                if c.run("squeue", "-h").returncode != 0:
                    failed.append(1)
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        self.well()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])


if __name__ == "__main__":
    main()
