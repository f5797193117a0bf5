"""What a work measured, and whether it meets its bars."""

from dataclasses import dataclass, field

from bench.contenders import OURS
from bench.measure import Figure

# Below this share of its core a server waited: for the load, for the disk, or for other programs of the machine.
BUSY_SHARE = 0.85


@dataclass(frozen=True)
class Verdict:
    """A measured value against its bar. `text` names the value, such as "÷ hand-written"."""

    text: str
    value: float
    bar: float
    at_least: bool
    unit: str = ""
    # The same ratio of CPU times; None where only the value itself counts.
    of_cpu: float | None = None

    @property
    def met(self) -> bool:
        """Whether the bar is met."""
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        cpu = "" if self.of_cpu is None else f", by CPU {short(self.of_cpu)}"
        mark = "✓" if self.met else "✗"
        return f"{mark} {self.text} {short(self.value)}{self.unit} (bar {sign} {short(self.bar)}{self.unit}{cpu})"


@dataclass
class Result:
    """The figures of one work by the server's name, the bars, and remarks."""

    work: str
    unit: str
    figures: dict[str, Figure] = field(default_factory=dict[str, Figure])
    verdicts: list[Verdict] = field(default_factory=list[Verdict])
    notes: list[str] = field(default_factory=list[str])

    def compare(self, other: str, bar: float, *, factor_of: str = OURS) -> None:
        """Add the bar of the ratio of our rate to another server's, if that server was measured."""
        if other not in self.figures or factor_of not in self.figures:
            return
        mine, its = self.figures[factor_of], self.figures[other]
        of_cpu = its.cpu_ms / mine.cpu_ms if mine.cpu_ms else None
        self.verdicts.append(Verdict(f"÷ {other}", mine.rate / its.rate, bar, at_least=True, of_cpu=of_cpu))

    def show(self, other: str) -> None:
        """Note the ratio of our rate to another server's, to which no bar applies."""
        if other in self.figures and OURS in self.figures:
            mine, its = self.figures[OURS], self.figures[other]
            self.notes.append(f"÷ {other} {short(mine.rate / its.rate)}, by CPU {short(its.cpu_ms / mine.cpu_ms)}")

    def at_most(self, text: str, value: float, bar: float, unit: str = "") -> None:
        """Add an upper bar."""
        self.verdicts.append(Verdict(text, value, bar, at_least=False, unit=unit))


def short(value: float) -> str:
    """Return a number with two or three significant digits."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
