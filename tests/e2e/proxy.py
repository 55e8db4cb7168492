#!/usr/bin/env python3
"""A link that can be cut, healed and slowed down: a TCP proxy in user space, so no test needs iptables for it.

    from proxy import Proxy
    with Proxy("127.0.0.1:9092") as link:
        link.address                  # "127.0.0.1:PORT": what the far end is to be called
        link.cut()                    # nothing passes any more, and nobody is told, as with a pulled cable
        link.heal()                   # what was on its way arrives late
        link.reset()                  # every connection ends at once; new ones are made
        link.slow(0.05)               # seconds that each piece takes, in each direction

A cut link still takes connections, on which nothing comes: that is what a caller sees whose packets are lost.

    python3 proxy.py TARGET [--listen HOST:PORT]    commands as lines on the standard input: cut, heal, reset,
                                                    slow SECONDS; ends with it
"""

import argparse
import collections
import selectors
import socket
import sys
import threading
import time

PIECE = 256 << 10
HELD = 4 << 20  # bytes on their way in one direction; beyond that the sender waits, as for a full window


def parse(address):
    host, port = address.rsplit(":", 1)
    return host, int(port)


class Way:
    """One direction of one connection: pieces read from `source`, each due at a time, written to `sink`."""

    def __init__(self, source, sink):
        self.source, self.sink = source, sink
        self.pieces = collections.deque()  # (when due, bytes); empty bytes: the source has ended
        self.held = 0
        self.ended = False

    def take(self, due):
        try:
            piece = self.source.recv(PIECE)
        except BlockingIOError:
            return
        self.ended = not piece
        self.held += len(piece)
        self.pieces.append((due, piece))

    def give(self, now):
        while self.pieces and self.pieces[0][0] <= now:
            due, piece = self.pieces.popleft()
            if not piece:
                self.sink.shutdown(socket.SHUT_WR)
                return
            try:
                sent = self.sink.send(piece)
            except BlockingIOError:
                sent = 0
            self.held -= sent
            if sent < len(piece):
                self.pieces.appendleft((due, piece[sent:]))
                return

    def done(self):
        return self.ended and not self.pieces


class Proxy:
    def __init__(self, target, listen="127.0.0.1:0"):
        self.target = parse(target)
        self.server = socket.create_server(parse(listen), backlog=256)
        self.server.setblocking(False)
        host, port = self.server.getsockname()[:2]
        self.address, self.port = f"{host}:{port}", port
        self.lock = threading.Lock()
        self.is_cut, self.delay, self.wanted = False, 0.0, []
        self.connections = []  # pairs of Ways
        self.stopping = False
        self.waker, self.woken = socket.socketpair()
        self.woken.setblocking(False)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.close()

    # --- what a test says ---

    def cut(self):
        self.tell(is_cut=True)

    def heal(self):
        self.tell(is_cut=False)

    def slow(self, seconds):
        self.tell(delay=seconds)

    def reset(self):
        with self.lock:
            self.wanted.append("reset")
        self.waker.send(b"x")

    def close(self):
        self.tell(stopping=True)
        self.thread.join()

    def tell(self, **values):
        with self.lock:
            self.__dict__.update(values)
        self.waker.send(b"x")

    # --- the thread ---

    def run(self):
        selector = selectors.DefaultSelector()
        while not self.stopping:
            for key, events in self.select(selector):
                self.handle(key.fileobj, events)
            with self.lock:
                wanted, self.wanted = self.wanted, []
            if "reset" in wanted:
                self.drop(self.connections[:])
            self.move()
        self.drop(self.connections[:])
        for end in (self.server, self.waker, self.woken):
            end.close()

    def select(self, selector):
        """What is ready, of what matters now; also when a piece is due."""
        interest = {self.server: selectors.EVENT_READ, self.woken: selectors.EVENT_READ}
        now, due = time.monotonic(), None
        for way in (way for pair in self.connections for way in pair if not self.is_cut):
            if not way.ended and way.held < HELD:
                interest[way.source] = interest.get(way.source, 0) | selectors.EVENT_READ
            if way.pieces and way.pieces[0][0] <= now:
                interest[way.sink] = interest.get(way.sink, 0) | selectors.EVENT_WRITE
            elif way.pieces:
                due = min(due or way.pieces[0][0], way.pieces[0][0])
        for end in [key.fileobj for key in selector.get_map().values() if key.fileobj not in interest]:
            selector.unregister(end)
        for end, events in interest.items():
            if end not in selector.get_map():
                selector.register(end, events)
            elif selector.get_key(end).events != events:
                selector.modify(end, events)
        return selector.select(None if due is None else max(0.0, due - now))

    def handle(self, end, events):
        if end is self.woken:
            self.woken.recv(4096)
        elif end is self.server:
            self.accept()
        elif events & selectors.EVENT_READ and not self.is_cut:
            for pair in self.connections:
                for way in pair:
                    if way.source is end:
                        self.attempt(pair, lambda way=way: way.take(time.monotonic() + self.delay))
                        return

    def accept(self):
        try:
            near, _ = self.server.accept()
            far = socket.create_connection(self.target, timeout=5)  # the target is of this host, or near it
        except OSError:
            if "near" in locals():
                near.close()
            return
        for end in (near, far):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections.append((Way(near, far), Way(far, near)))

    def move(self):
        if self.is_cut:
            return
        now = time.monotonic()
        for pair in self.connections[:]:
            for way in pair:
                if not self.attempt(pair, lambda way=way: way.give(now)):
                    break
            else:
                if all(way.done() for way in pair):
                    self.drop([pair])

    def attempt(self, pair, what):
        try:
            what()
            return True
        except OSError:
            self.drop([pair])
            return False

    def drop(self, pairs):
        for pair in pairs:
            self.connections.remove(pair)
            for way in pair:
                # An ending that says so: RST instead of FIN.
                way.source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                way.source.close()


def main():
    parser = argparse.ArgumentParser(description="a TCP proxy whose link can be cut, healed and slowed down")
    parser.add_argument("target", metavar="HOST:PORT")
    parser.add_argument("--listen", metavar="HOST:PORT", default="127.0.0.1:0")
    options = parser.parse_args()
    with Proxy(options.target, options.listen) as link:
        print(link.address, flush=True)
        for line in sys.stdin:
            name, *words = line.split() or [""]
            if name == "slow" and len(words) == 1:
                link.slow(float(words[0]))
            elif name in ("cut", "heal", "reset") and not words:
                getattr(link, name)()
            else:
                print(f"'{line.strip()}' is not cut, heal, reset or slow SECONDS", file=sys.stderr)


if __name__ == "__main__":
    main()
