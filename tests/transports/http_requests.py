"""Requests to the sample application, and the error code of a response."""

from typing import Any

import httpx

from server.transports.responses.accept import JSON

PATH = "/graphql"
JSON_BODY = {"content-type": "application/json"}


def code_of(response: httpx.Response) -> str:
    """The code of the only error; the body has nothing else."""
    body = response.json()
    assert list(body) == ["errors"]
    (error,) = body["errors"]
    return error["extensions"]["code"]


async def post(http: httpx.AsyncClient, accept: str | None = None, **params: Any) -> httpx.Response:
    """Send the parameters of an operation as JSON."""
    return await http.post(PATH, json=params, headers={"accept": accept or JSON})
