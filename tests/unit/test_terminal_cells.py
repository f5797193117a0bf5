"""Text of users in the tables of a terminal, and the secrets that reports leave out."""

import io
import sys

import pytest

from server.commands import table
from server.commands.cells import cut, safe, share, span
from server.commands.doctor.secrets import HIDDEN, Redaction
from server.settings import Settings
from tests.support.plain_ids import plain_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("A day at the coast", "A day at the coast"),
        ("two\nlines\tand  gaps ", "two lines and gaps"),
        ("\x1b[31mred\x07\x9b2J", "\ufffd[31mred\ufffd\ufffd2J"),
        ("right \u202e to left\u2066\u200b", "right \ufffd to left\ufffd\ufffd"),
        ("\ud800", "\ufffd"),
        ("e\u0301" + "\u0301" * 50, "e\u0301\u0301"),
        ("مرحبا 你好", "مرحبا 你好"),
    ],
    ids=plain_text,
)
def test_text_of_users_is_one_line_without_controls(text: str, shown: str) -> None:
    """Neither the cursor, nor colours, nor the direction of the line are in its hands."""
    assert safe(text) == shown


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("short", 5, "short"),
        ("longer", 5, "long…"),
        ("你好世界", 5, "你好…"),
        ("你好世界", 4, "你…"),
        ("a day off", 7, "a day…"),
    ],
    ids=plain_text,
)
def test_text_is_cut_to_columns_of_the_terminal(text: str, width: int, shown: str) -> None:
    """Wide characters take two."""
    assert cut(text, width) == shown


def test_span_is_texts_in_its_two_largest_units() -> None:
    """A clock that went back makes none negative."""
    texts = {-5: "0s", 0.4: "0s", 59.6: "1m 0s", 3_725: "1h 2m", 90_000: "1d 1h", 86_400: "1d 0h"}
    assert {seconds: span(seconds) for seconds in texts} == texts


def test_share_is_whole_only_at_the_end() -> None:
    """A job that is nearly done is not shown as done."""
    assert [share(each) for each in (0.0, 99.5, 99.99, 100.0)] == ["0", "99", "99", "100"]


def test_characters_that_the_output_cannot_show_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the locale is not UTF-8."""
    content = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(content, encoding="ascii"))
    table.show(table.console(), [table.Column("TITLE")], [("Café 你好",)])
    sys.stdout.flush()
    assert content.getvalue().decode("ascii").split("\n") == ["TITLE", "Caf? ??", ""]


def test_secrets_are_left_out_of_a_report() -> None:
    """Of the settings, of the address of the database, and of the environment; ordinary words stay."""
    settings = Settings.model_validate(
        {
            "database_url": "postgresql+asyncpg://amy:pass%2Fword@host/db",
            "openrouter_token": "or_secret_token",
            "comfyui_url": "https://comfy.test",
            "comfyui_workflows": "x",
            "comfyui_header": "Authorization: Bearer abcdefgh",
            "auth_jwks_url": "https://reader:of%20keys@issuer.test/jwks",
            "auth_issuer": "x",
            "auth_audience": "x",
        }
    )
    environment = {"AWS_SECRET_ACCESS_KEY": "k/e+y-of-a-bucket", "AWS_ACCESS_KEY_ID": "AKIDPUBLIC", "X_TOKEN": "true"}
    environment |= {"HTTPS_PROXY": "http://amy:by-proxy@proxy:3128", "URL": "postgres://host/db?password=in-query&x=1"}
    redacted = Redaction(settings, environment)
    text = (
        "pass/word pass%2Fword or_secret_token abcdefgh k/e+y-of-a-bucket k%2Fe%2By-of-a-bucket AKIDPUBLIC true Bearer"
    )
    assert redacted("https://reader:of%20keys@issuer.test, of keys, by-proxy, in-query") == (
        f"https://reader:{HIDDEN}@issuer.test, {HIDDEN}, {HIDDEN}, {HIDDEN}"
    )
    assert redacted(text) == " ".join([HIDDEN] * 6 + ["AKIDPUBLIC true Bearer"])
