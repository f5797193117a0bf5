"""Requests that are rejected, sent while another user sends small requests: that user must not be delayed."""

import asyncio

import pytest

from tests.attacks.test_documents import OVER_A_LIMIT
from tests.support.attack_target import post
from tests.support.client import Client

COSTLIEST = (
    "aliases",
    "unknown directives",
    "repeats",
    "nesting",
    "tokens",
    "cost",
    "exponential fragments",
    "exponential fragments without aliases",
    "unused fragments",
    "values",
)


@pytest.mark.parametrize("name", COSTLIEST)
async def test_rejected_document_does_not_delay_another_user(mallory: Client, name: str) -> None:
    """Five at once; the `canary` fixture checks the other user."""
    responses = await asyncio.gather(*(post(mallory, OVER_A_LIMIT[name]) for _ in range(5)))
    assert {response.status_code for response in responses} == {200}
