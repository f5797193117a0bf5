"""The limit of writing: an ASGI program that runs the statements of two mutations by hand, and nothing else.

    python -m bench.limits.writes DATABASE PORT

DATABASE is an SQLite file or the URL of a Postgres.
"""

import sys
from typing import Any

import orjson
import uvicorn

from bench.limits.reads import Message, Receive, Send
from bench.limits.statements import PostgresWrites, SqliteWrites, answer_of, writes_of


def application(writes: SqliteWrites | PostgresWrites) -> Any:
    """Return the ASGI program."""

    async def answer(scope: Message, receive: Receive, send: Send) -> None:
        content = b""
        more = True
        while more:
            message = await receive()
            content += message["body"]
            more = message.get("more_body", False)
        given = orjson.loads(content)["variables"]["input"]
        if "sceneId" in given:
            body = answer_of("updateScene", await writes.update_scene(given["sceneId"], given["title"]))
        else:
            body = answer_of("createJob", await writes.create_job(given))
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return answer


if __name__ == "__main__":
    _, database, port = sys.argv
    uvicorn.run(application(writes_of(database)), port=int(port), log_level="error", access_log=False, lifespan="off")
