"""What every current browser plays, whatever the machine: HEVC, for one, plays only where the hardware decodes it."""

from providers.clips.description import Pictures

PLAYED_SOUND = frozenset({"aac", "mp3", "opus"})
_EIGHT_BITS = frozenset({"yuv420p", "yuvj420p"})
_H264_PROFILES = frozenset({"Constrained Baseline", "Baseline", "Main", "High"})


def pictures_play(pictures: Pictures) -> bool:
    """Return whether browsers play these pictures: 8 bits in 4:2:0, or 10 bits of HDR by AV1 or VP9."""
    if pictures.interlaced:
        return False
    if pictures.pixel_format in _EIGHT_BITS:
        if pictures.codec == "h264":
            return pictures.profile in _H264_PROFILES
        return pictures.codec in ("vp8", "vp9", "av1")
    return pictures.pixel_format == "yuv420p10le" and pictures.colour.is_hdr and pictures.codec in ("vp9", "av1")
