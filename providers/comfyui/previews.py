"""Previews of the unfinished picture: binary messages of the websocket, made into small WebP images."""

import logging
import struct
import warnings
from io import BytesIO

from PIL import Image

from providers.render.stills import frame, thumbnail

log = logging.getLogger(__name__)

# Kinds of binary messages: https://docs.comfy.org/development/comfyui-server/comms_messages.
_PREVIEW, _PREVIEW_WITH_METADATA = 1, 4
_FORMATS = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG"}
# Nodes that animate previews put a few fields of their own before the picture.
MOST_HEADER_BYTES = 64
MOST_PIXELS = 4096 * 4096


def picture_in(message: bytes) -> bytes | None:
    """Return the JPEG or PNG image in a binary message; None in one of another kind."""
    if len(message) < 8:
        return None
    kind, second = struct.unpack_from(">II", message)
    if kind == _PREVIEW_WITH_METADATA:
        picture = message[8 + second :]
    elif kind == _PREVIEW:
        picture = message[8:]
    else:
        return None
    starts = [at for magic in _FORMATS if (at := picture.find(magic, 0, MOST_HEADER_BYTES)) >= 0]
    return picture[min(starts) :] if starts else None


def encoded(picture: bytes) -> bytes | None:
    """Return a JPEG or PNG image as a thumbnail in WebP; None when it cannot be decoded."""
    try:
        with warnings.catch_warnings():
            # Pillow only warns of sizes up to twice its limit.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(BytesIO(picture), formats=tuple(_FORMATS.values())) as image:
                if image.width * image.height > MOST_PIXELS:
                    return None
                return frame(thumbnail(image.convert("RGB")))
    except Exception as error:  # decoders raise what they like
        log.info("a preview cannot be decoded: %r", error, extra={"action": "comfyui.preview"})
        return None
