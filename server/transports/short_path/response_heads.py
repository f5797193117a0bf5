"""The head of a response, of which the next one to a request of the same kind differs in a few lines only."""

from collections.abc import Sequence
from dataclasses import dataclass

Header = tuple[bytes, bytes]

_CLOSE = b"connection: close\r\n"
_LENGTH, _REQUEST_ID = b"content-length", b"x-request-id"


def lines_of(headers: Sequence[Header]) -> bytes:
    """Return headers as the lines of a head."""
    return b"".join([b"%b: %b\r\n" % pair for pair in headers])


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """The lines of a head, without those of the server and without what is different in each response."""

    status_line: bytes
    before_length: bytes
    after_length: bytes
    after_id: bytes
    has_id: bool
    """Whether the response has the id of its request, between the last two."""

    @classmethod
    def of(cls, head: bytes, server_lines: bytes, length: int, request_id: str | None) -> "ResponseHead | None":
        """Return the head of the responses like this one; None unless it has the expected lines.

        `server_lines` are those that the HTTP server adds, which may change with time. The id of the request may be
        missing, but must not be anywhere else.
        """
        status_line, _, lines = head.removesuffix(b"\r\n").partition(b"\r\n")
        length_line = b"\r\n" + lines_of([(_LENGTH, b"%d" % length)])
        before, found_length, after = (b"\r\n" + lines).partition(length_line)
        if not found_length or not before.startswith(b"\r\n" + server_lines.removesuffix(b"\r\n")):
            return None
        before = (before + b"\r\n")[2:].removeprefix(server_lines)
        identifier = (request_id or "").encode("latin-1")
        id_line = lines_of([(_REQUEST_ID, identifier)])
        middle, found_id, end = after.partition(id_line) if identifier else (after, b"", b"")
        fixed = [status_line, before, middle, end]
        if (identifier and (not found_id or any(identifier in part for part in fixed))) or _CLOSE in head.lower():
            return None
        return cls(status_line + b"\r\n", before, middle, end, bool(found_id))

    def made(self, server_lines: bytes, length: int, request_id: str | None, *, closes: bool) -> bytes:
        """Return the head of a response whose body has this length."""
        identifier = b"x-request-id: %b\r\n" % (request_id or "").encode("latin-1") if self.has_id else b""
        return b"%b%b%bcontent-length: %d\r\n%b%b%b%b\r\n" % (
            self.status_line,
            server_lines,
            self.before_length,
            length,
            self.after_length,
            identifier,
            self.after_id,
            _CLOSE if closes else b"",
        )
