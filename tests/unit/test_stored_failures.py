"""The JSON of failures as it is stored."""

import json
from datetime import UTC, datetime

import orjson
import pytest

from models.domain.failures import failure_json


@pytest.mark.parametrize("character", ["\ud800", "\0"], ids=["surrogate", "NUL"])
def test_message_of_any_characters_can_be_stored_and_sent(character: str) -> None:
    """Models return anything: a lone surrogate would make every answer with its scene fail."""
    stored = failure_json("PREDICTION_FAILED", f"a{character}é🎬", retryable=True, at=datetime.now(UTC))
    assert stored["message"] == "a?é🎬"
    assert orjson.loads(json.dumps(stored)) == stored
