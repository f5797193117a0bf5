"""Many subscribers over websocket, in one process with little overhead.

    python -m bench.load.subscribers

The first line of the standard input is a specification in JSON: `port`, `path`, `query` and `variables`, one object for
each subscriber. Every message must select the version of the job as `v`. When each subscriber has its first message,
one line of JSON is written: the Unix time `began` of the first connect, and the `seconds` since then.

After a line `{"version": N}` it waits until version N has arrived at every subscriber. Then it writes one line of JSON:
`arrivals`, which has for each version since the last answer the number of subscribers and the Unix time of the last
arrival; the number of all `messages`; and one message as a `sample`. It ends with its input.
"""

import json
import select
import socket
import sys
import time
from typing import Any

JOINING_AT_ONCE = 200
GIVE_UP_SECONDS = 120.0
GIVE_UP_SECONDS_OF_EACH = 0.1
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)
VERSION = b'"v":'
NEXT = b'"type":"next"'
HEAD_END = b"\r\n\r\n"
ACK = b"connection_ack"
# The first bytes of whole frames (RFC 6455, section 5.2).
TEXT, PING, PONG = 0x81, 0x89, 0x8A


def _frame(text: bytes, kind: int = TEXT) -> bytes:
    """Return a frame of a client, with a mask of zeros (RFC 6455, section 5.3)."""
    size = len(text)
    head = bytes([kind, 0x80 | size]) if size < 126 else bytes([kind, 0xFE]) + size.to_bytes(2, "big")
    return head + b"\0\0\0\0" + text


INIT = _frame(b'{"type":"connection_init"}')


class Subscriber:
    """One socket: it subscribes, and counts messages."""

    __slots__ = ("_answers", "_data", "joined", "messages", "sample", "socket", "version")

    def __init__(self, address: tuple[str, int], handshake: bytes, subscribe: bytes) -> None:
        self.socket = socket.create_connection(address)
        self.socket.sendall(handshake)
        self.socket.setblocking(False)
        self.messages = 0
        self.version = -1
        self.joined = False
        self.sample = b""
        self._answers: list[tuple[bytes, bytes]] = [(HEAD_END, INIT), (ACK, subscribe)]
        self._data: bytes = b""

    def received(self, data: bytes, arrivals: dict[int, list[float]], now: float) -> None:
        """Read whole frames; note the version of each message."""
        if self._data:
            data = self._data + data
        if self._answers:
            # The answers to the handshake and to the initialisation; what is asked next follows each.
            if self._answers[0][0] not in data:
                self._data = data
                return
            self._data = b""
            self.socket.sendall(self._answers.pop(0)[1])
            return
        start, end = 0, len(data)
        while end - start >= 2:
            head, size = 2, data[start + 1]
            if size == 126:
                head, size = 4, int.from_bytes(data[start + 2 : start + 4], "big")
            elif size == 127:
                head, size = 10, int.from_bytes(data[start + 2 : start + 10], "big")
            if end - start < head + size:
                break
            end_of_frame = start + head + size
            if data[start] == PING:
                self.socket.sendall(_frame(data[start + head : end_of_frame], PONG))
            else:
                self._message(data, start + head, end_of_frame, arrivals, now)
            start = end_of_frame
        self._data = data[start:]

    def _message(self, data: bytes, start: int, end: int, arrivals: dict[int, list[float]], now: float) -> None:
        found = data.find(VERSION, start, end)
        if found < 0:
            if b'"type":"ping"' in data[start:end]:
                self.socket.sendall(_frame(b'{"type":"pong"}'))
                return
            raise SystemExit(f"a subscriber received {data[start:end]!r}")
        place = found + len(VERSION)
        digits = place
        while 48 <= data[digits] <= 57:
            digits += 1
        self.version = int(data[place:digits])
        self.messages += 1
        self.sample = data[start:end]
        if self.joined:
            entry = arrivals.setdefault(self.version, [0, 0.0])
            entry[0] += 1
            entry[1] = now
        else:
            self.joined = True


class Subscribers:
    """All sockets."""

    def __init__(self, specification: dict[str, Any]) -> None:
        self._poll = select.epoll()
        self._by_file: dict[int, Subscriber] = {}
        self._arrivals: dict[int, list[float]] = {}
        self._address = ("127.0.0.1", int(specification["port"]))
        self._handshake = HANDSHAKE.format(path=specification["path"]).encode()
        self._payloads = [
            _frame(
                _dump({"id": "1", "type": "subscribe", "payload": {"query": specification["query"], "variables": v}})
            )
            for v in specification["variables"]
        ]

    def join(self) -> float:
        """Subscribe all. Return the seconds until each has its first message."""
        began = time.perf_counter()
        waiting: set[Subscriber] = set()
        for payload in self._payloads:
            while len(waiting) >= JOINING_AT_ONCE:
                self._read(began)
                waiting = {each for each in waiting if not each.joined}
            one = Subscriber(self._address, self._handshake, payload)
            self._by_file[one.socket.fileno()] = one
            self._poll.register(one.socket.fileno(), select.EPOLLIN)
            waiting.add(one)
        while not all(each.joined for each in self._by_file.values()):
            self._read(began)
        return time.perf_counter() - began

    def follow(self) -> None:
        """Follow the commands on the standard input, and read the sockets all the while, until the input ends."""
        self._poll.register(sys.stdin.fileno(), select.EPOLLIN)
        while True:
            command = self._next_command()
            if not command:
                return
            version, began = int(json.loads(command)["version"]), time.perf_counter()
            while any(each.version < version for each in self._by_file.values()):
                self._read(began)
            print(json.dumps(self._report()), flush=True)

    def _next_command(self) -> str:
        while not self._read(time.perf_counter()):
            pass
        return sys.stdin.readline()

    def _report(self) -> dict[str, Any]:
        sample = next(iter(self._by_file.values())).sample.decode()
        messages = sum(each.messages for each in self._by_file.values())
        arrivals, self._arrivals = self._arrivals, {}
        return {"arrivals": arrivals, "messages": messages, "sample": sample}

    def _read(self, began: float) -> bool:
        """Read what has arrived, and return whether there is a command."""
        commanded = False
        for file, _ in self._poll.poll(1.0):
            subscriber = self._by_file.get(file)
            if subscriber is None:
                commanded = True
                continue
            data = subscriber.socket.recv(65536)
            if not data:
                raise SystemExit("the server closed a socket")
            subscriber.received(data, self._arrivals, time.time())
        if time.perf_counter() - began > GIVE_UP_SECONDS + GIVE_UP_SECONDS_OF_EACH * len(self._by_file):
            behind = min(each.version for each in self._by_file.values())
            raise SystemExit(f"a subscriber is still at version {behind}")
        return commanded


def _dump(value: object) -> bytes:
    return json.dumps(value).encode()


def main() -> None:
    """Join, and follow the commands."""
    subscribers = Subscribers(json.loads(sys.stdin.readline()))
    began = time.time()
    print(json.dumps({"began": began, "seconds": subscribers.join()}), flush=True)
    subscribers.follow()


if __name__ == "__main__":
    main()
