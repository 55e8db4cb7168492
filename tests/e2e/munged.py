"""A munged of a test's own: its key, socket and log in the test's folder. Several may run side by side.

    keys = make_key()
    with Munged(folder, keys) as munged: munged.credential(digest_of_call("GET", "/v1/jobs"))
"""

import hashlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess

from cluster import wait_for

AVAILABLE = bool(shutil.which("munged") and shutil.which("munge"))


def make_key():
    return os.urandom(128)


def digest_of_call(method, target, body=b"", cluster="docket"):
    return hashlib.sha256(f"{cluster}\n{method} {target}\n".encode() + body).digest()


def digest_of_answer(credential, status, seq, body):
    return hashlib.sha256(f"answer\n{credential}\n{status}\n{seq}\n".encode() + body).digest()


class Munged:
    def __init__(self, folder, key, environment=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(mode=0o755)
        self.socket = self.folder / "socket"
        path = self.folder / "key"
        path.write_bytes(key)
        path.chmod(0o400)
        self.process = None
        self.environment = {**os.environ, **(environment or {})}
        self.start()

    def start(self):
        """Once it is there: a new process, which remembers no credential."""
        with (self.folder / "said").open("a") as said:
            self.process = subprocess.Popen(
                ["munged", "--foreground", "--force", f"--key-file={self.folder}/key", f"--socket={self.socket}",
                 f"--pid-file={self.folder}/pid", f"--log-file={self.folder}/log", f"--seed-file={self.folder}/seed"],
                env=self.environment, stderr=said, stdout=subprocess.DEVNULL)
        wait_for("munged", 10, lambda: self.decodes(self.credential(b"x" * 32)))
        return self

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait()
        self.process = None

    def again(self):
        self.stop()
        return self.start()

    def hang(self, hangs=True):
        self.process.send_signal(signal.SIGSTOP if hangs else signal.SIGCONT)

    def credential(self, payload, user=None, ttl=None):
        """Made by `user` (this one without it) for `payload`; "" when munged does not answer."""
        who = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
        done = subprocess.run(["munge", f"--socket={self.socket}", "--input=-", *([f"--ttl={ttl}"] if ttl else [])],
                              input=payload, capture_output=True, **who)
        return done.stdout.decode().strip() if done.returncode == 0 else ""

    def decodes(self, credential):
        return bool(credential) and subprocess.run(
            ["unmunge", f"--socket={self.socket}"], input=credential.encode(), capture_output=True).returncode == 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
