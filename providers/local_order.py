"""An order of `local`: what is drawn for it, what it is really made with, and what of it has no effect."""

from collections.abc import Iterator

from providers import local_model
from providers.catalogue import InputRole, Settings
from providers.local_model import LANDS, LONGEST_SECONDS, MOST_REFERENCES, NAME, SHORTEST_SECONDS, Size
from providers.port import Failure, InputFile, Order
from providers.render import wire
from providers.render.landscape import seeds

# How many inputs of a role are shown.
SHOWN = {InputRole.FIRST_FRAME: 1, InputRole.LAST_FRAME: 1, InputRole.REFERENCE: MOST_REFERENCES}


def check(order: Order, size: Size) -> None:
    """Raise Failure for an order that the model cannot make; `size` is that of clips for which none is asked."""
    if not SHORTEST_SECONDS <= order.duration_seconds <= LONGEST_SECONDS:
        message = f"A clip lasts {SHORTEST_SECONDS:g} to {LONGEST_SECONDS:g} seconds."
        raise Failure("INVALID_DURATION", message, retryable=False)
    if order.settings.model not in (None, NAME):
        raise Failure("UNKNOWN_MODEL", f"There is no model {order.settings.model}.", retryable=False)
    size.of(order.settings)
    _caption(order.settings)
    _hue(order.settings)
    _land(order.settings)


def made_with(order: Order, size: Size) -> Settings:
    """Return the settings that the clip is made with, the seed included."""
    asked, clip = order.settings, size.of(order.settings)
    return Settings(
        model=NAME,
        aspect_ratio=asked.aspect_ratio or size.aspect_ratio,
        resolution=clip.resolution,
        seed=_seed(order),
        audio=bool(asked.audio),
        options={key: value for key, value in asked.options.items() if key in local_model.OPTIONS},
    )


def ignored(order: Order) -> tuple[str, ...]:
    """Name the settings and inputs that have no effect."""
    settings = ["negativePrompt"] if order.settings.negative_prompt is not None else []
    options = [f"options.{key}" for key in order.settings.options if key not in local_model.OPTIONS]
    shown = {place for place, _ in _shown(order)}
    return *settings, *options, *(f"inputs.{place}" for place in range(len(order.inputs)) if place not in shown)


async def ticket(order: Order, size: Size) -> wire.Ticket:
    """Return what the rendering process draws. Raises Failure when an input cannot be fetched."""
    settings = order.settings
    clip = size.of(settings)
    return wire.Ticket(
        prompt=order.prompt,
        title=order.title,
        # A picture that was asked for by its seed is the same in each take.
        label=f"Take {order.number}" if settings.seed is None else f"Seed {settings.seed}",
        seed=_seed(order),
        duration_seconds=order.duration_seconds,
        width=clip.width,
        height=clip.height,
        workdir=str(order.workdir.absolute()),
        sound=bool(settings.audio),
        caption=_caption(settings),
        hue=_hue(settings),
        land=_land(settings),
        pictures=tuple(
            [
                wire.Source(source.role, str((await source.path()).absolute()), f"inputs.{place}")
                for place, source in _shown(order)
            ]
        ),
    )


def _shown(order: Order) -> Iterator[tuple[int, InputFile]]:
    """Yield the inputs that are shown, with their places in the order."""
    left = dict(SHOWN)
    for place, source in enumerate(order.inputs):
        if left.get(source.role, 0):
            left[source.role] -= 1
            yield place, source


def _seed(order: Order) -> int:
    if order.settings.seed is not None:
        return order.settings.seed
    return seeds.chosen(order.prompt, order.title, order.number)


def _caption(settings: Settings) -> bool:
    value = settings.options.get("caption", True)
    if not isinstance(value, bool):
        raise _invalid("caption is true or false")
    return value


def _hue(settings: Settings) -> float | None:
    if "hue" not in settings.options:
        return None
    value = settings.options["hue"]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= local_model.MOST_DEGREES:
        raise _invalid(f"hue is a number of degrees in 0..{local_model.MOST_DEGREES}")
    return float(value)


def _land(settings: Settings) -> str | None:
    if "land" not in settings.options:
        return None
    value = settings.options["land"]
    if isinstance(value, str) and value in LANDS:
        return value
    raise _invalid(f"land is one of {', '.join(LANDS)}")


def _invalid(reason: str) -> Failure:
    return Failure("INVALID_OPTIONS", f"The option {reason}.", retryable=False)
