"""docs/storage.md: with each set of its variables an address of the bucket is signed."""

import json
import os
import re
import shlex
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from coordinator.storage.media import MediaStore

PAGE = (Path(__file__).parents[2] / "docs" / "storage.md").read_text("utf-8")
ADDRESSES = [
    "https://s3.eu-west-1.amazonaws.com/scenewire-media/prod/job/clip.mp4",
    "https://minio.example.com:9000/scenewire-media/job/clip.mp4",
    "https://storage.googleapis.com/scenewire-media/job/clip.mp4",
    "https://scenewire.blob.core.windows.net/scenewire-media/job/clip.mp4",
]
OF_BUCKETS = ("AWS_", "GOOGLE_", "AZURE_")


def sets() -> list[dict[str, str]]:
    """Return the variables of each block."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    lines = [[shlex.split(line)[1].partition("=") for line in block.splitlines()] for block in blocks]
    return [{name: value for name, _, value in block} for block in lines]


def service_account() -> str:
    """Return the file of a service account of Google."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    account = {"type": "service_account", "client_email": "a@b.example", "private_key_id": "1", "client_id": "1"}
    uri = "https://oauth2.googleapis.com/token"
    return json.dumps(account | {"private_key": pem.decode(), "project_id": "p", "token_uri": uri})


@pytest.mark.parametrize("number", range(len(ADDRESSES)), ids=["s3", "minio", "google", "azure"])
async def test_documented_variables_sign_addresses(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else of the environment is needed."""
    for name in os.environ:
        if name.startswith(OF_BUCKETS):
            monkeypatch.delenv(name)
    assert len(sets()) == len(ADDRESSES)
    variables = sets()[number]
    if "GOOGLE_SERVICE_ACCOUNT" in variables:
        file = tmp_path / "google.json"
        file.write_text(service_account())
        variables["GOOGLE_SERVICE_ACCOUNT"] = str(file)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    signed = await MediaStore(variables["SCENEWIRE_MEDIA_URL"]).address("job/clip.mp4", "GET", timedelta(minutes=1))
    assert signed is not None
    assert urlsplit(signed)._replace(query="").geturl() == ADDRESSES[number]
