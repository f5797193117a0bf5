"""The sound of a clip: a soft chord whose tones swell slowly, by the seed."""

from collections.abc import Iterator
from random import Random
from typing import cast

from av.audio.frame import AudioFrame
from av.error import EOFError as EndOfStream
from av.filter import Graph

RATE = 48_000
SAMPLES_A_FRAME = 1024
# Equal temperament from A2, 110 Hz; a chord has one tone of each group, in half tones above its lowest tone.
LOWEST_HZ, HALF_TONE = 110.0, 2 ** (1 / 12)
GROUPS = ((0,), (7,), (12,), (15, 16, 17), (19, 22))
# Five tones at this amplitude stay below half of full scale.
AMPLITUDE = 0.08
FADE_SECONDS = 0.25


def frames(seed: int, samples: int) -> Iterator[AudioFrame]:
    """Yield the sound of a clip of this many samples for each channel, in stereo."""
    graph = _graph(seed, samples)
    while True:
        try:
            yield cast("AudioFrame", graph.pull())
        except EndOfStream:
            return


def _graph(seed: int, samples: int) -> Graph:
    seconds = samples / RATE
    fade = min(FADE_SECONDS, seconds / 4)
    chain = (
        ("aevalsrc", f"exprs='{_chord(seed)}':channel_layout=stereo:sample_rate={RATE}"),
        ("atrim", f"end_sample={samples}"),
        ("afade", f"type=in:duration={fade:.6f}"),
        ("afade", f"type=out:start_time={seconds - fade:.6f}:duration={fade:.6f}"),
        ("aformat", "sample_fmts=fltp"),
        ("asetnsamples", f"nb_out_samples={SAMPLES_A_FRAME}:pad=0"),
        ("abuffersink", None),
    )
    graph = Graph()
    graph.link_nodes(*(graph.add(name, text) for name, text in chain)).configure()
    return graph


def _chord(seed: int) -> str:
    """Return FFmpeg's expressions of the left and the right channel, which swell at different times."""
    rng = Random(seed)  # noqa: S311 - sounds, not secrets
    root = rng.randrange(12)
    voices = [
        (LOWEST_HZ * HALF_TONE ** (root + rng.choice(group)), rng.uniform(0.05, 0.15), rng.random()) for group in GROUPS
    ]
    return "|".join(
        "+".join(
            f"{AMPLITUDE}*sin(2*PI*{hertz:.4f}*t)*(0.6+0.4*sin(2*PI*({swell:.4f}*t+{phase + shift:.4f})))"
            for hertz, swell, phase in voices
        )
        for shift in (0.0, 0.25)
    )
