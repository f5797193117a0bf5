"""What is written into a prompt's `extra_data`, which ComfyUI keeps with it: whose it is, and how its clip is made."""

from dataclasses import asdict, dataclass
from uuid import UUID, uuid5

from providers.catalogue import NO_SETTINGS, Resolution, Settings
from providers.comfyui.values import is_object, items
from providers.comfyui.workflows.template import Filled

FIELD = "scenewire"
_NAMESPACE = UUID("3c1b4a5e-97a0-5d5e-8f0c-6a1f5b0e2d47")


def prompt_id(key: str) -> str:
    """Return the id that the prompt of an order is submitted with; ComfyUI accepts UUIDs only."""
    return str(uuid5(_NAMESPACE, key))


def client_id(prompt: str, key: str) -> str:
    """Return the client id that the messages of a prompt are sent to: the prompt's id, as it was submitted.

    Versions before 0.3.45 replace the id of the prompt by a random one.
    """
    try:
        return prompt if UUID(prompt).version == 5 else prompt_id(key)
    except ValueError:
        return prompt_id(key)


@dataclass(frozen=True, slots=True)
class Marks:
    """The mark of a prompt. `digest` is that of its workflow, `output` the node whose clip counts."""

    order: str
    digest: str
    settings: Settings = NO_SETTINGS
    ignored: tuple[str, ...] = ()
    output: str | None = None

    @classmethod
    def of(cls, key: str, filled: Filled, output: str | None) -> "Marks":
        """Return the mark of an order."""
        return cls(key, filled.digest, filled.settings, filled.ignored, output)

    def as_json(self) -> dict[str, object]:
        """Return the mark as a field of `extra_data`."""
        return asdict(self)


def parse(extra_data: object) -> Marks | None:
    """Return the mark of a prompt; None for one of another program."""
    mark = extra_data.get(FIELD) if is_object(extra_data) else None
    if not is_object(mark):
        return None
    match mark:
        case {"order": str(order), "digest": str(digest)}:
            output = mark.get("output")
            return Marks(
                order,
                digest,
                _settings(mark.get("settings")),
                tuple(map(str, items(mark.get("ignored")))),
                output if isinstance(output, str) else None,
            )
        case _:
            return None


def _settings(document: object) -> Settings:
    if not is_object(document):
        return NO_SETTINGS
    resolution, seed, audio = (document.get(name) for name in ("resolution", "seed", "audio"))
    options = document.get("options")
    return Settings(
        model=_text(document.get("model")),
        aspect_ratio=_text(document.get("aspect_ratio")),
        resolution=Resolution(resolution) if resolution in list(Resolution) else None,
        seed=seed if isinstance(seed, int) else None,
        negative_prompt=_text(document.get("negative_prompt")),
        audio=audio if isinstance(audio, bool) else None,
        options=options if is_object(options) else {},
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
