"""HTTP/2 by hand, for what no client library sends: trailers of a request."""

import socket
import struct

import shop as front

DATA, HEADERS, RST_STREAM, SETTINGS = 0, 1, 3, 4
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
EMPTY_MESSAGE = bytes(5)  # as gRPC frames it


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def block(headers):
    """Each header in plain, none remembered; names and values below 127 bytes."""
    text = lambda value: bytes([len(value)]) + value.encode()
    return b"".join(b"\0" + text(name) + text(value) for name, value in headers)


class Connection:
    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self.address = address
        self.socket = socket.create_connection((host, int(port)), timeout=front.CALL_PATIENCE_S)
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(SETTINGS, ACK, 0))

    def begin(self, stream, path, headers=()):
        """A gRPC call's headers and its empty message, which is not its end."""
        head = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", self.address)]
        head += [("content-type", "application/grpc"), ("te", "trailers"), *headers]
        self.socket.sendall(frame(HEADERS, END_HEADERS, stream, block(head)) + frame(DATA, 0, stream, EMPTY_MESSAGE))

    def end(self, stream, trailers=()):
        if trailers:
            self.socket.sendall(frame(HEADERS, END_HEADERS | END_STREAM, stream, block(trailers)))
        else:
            self.socket.sendall(frame(DATA, END_STREAM, stream))

    def ended(self, streams):
        """Waits until all `streams` have ended; those of them that were answered with an empty message, not an error."""
        answered, left = set(), set(streams)
        with self.socket.makefile("rb") as received:
            while left:
                head = received.read(9)
                assert len(head) == 9, f"the connection was closed before {left} had ended"
                payload = received.read(int.from_bytes(head[:3], "big"))
                kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
                if kind == DATA and payload == EMPTY_MESSAGE:
                    answered.add(stream)
                if kind == RST_STREAM or (kind in (DATA, HEADERS) and flags & END_STREAM):
                    left.discard(stream)
        return answered & set(streams)

    def close(self):
        self.socket.close()
