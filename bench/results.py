"""What a work measured, and whether it meets its bars."""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from bench.contenders import OURS
from bench.measure import Figure, Rounds

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
    """The medians of the rounds."""
    rounds: Rounds = field(default_factory=dict[str, list[Figure]])
    verdicts: list[Verdict] = field(default_factory=list[Verdict])
    notes: list[str] = field(default_factory=list[str])

    @classmethod
    def of(cls, work: str, unit: str, rounds: Rounds) -> "Result":
        """Return the result of interleaved rounds."""
        result = cls(work, unit)
        for name, measured in rounds.items():
            result.add(name, measured)
        return result

    def add(self, name: str, rounds: list[Figure]) -> None:
        """Add what one server did."""
        self.rounds[name] = rounds
        self.figures[name] = Figure.median_of(rounds)

    def ratio(self, value: Callable[[Figure], float], name: str, other: str) -> float:
        """Return a value of one server by that of another one: the median of the ratios of each round.

        Two servers that are measured shortly after each other meet the same neighbours on the machine, of which the
        ratio of two medians would compare those of different minutes.
        """
        pairs = zip(self.rounds[name], self.rounds[other], strict=True)
        return median(value(mine) / value(its) for mine, its in pairs)

    def compare(self, other: str, bar: float) -> None:
        """Add the bar of the ratio of our rate to another server's, if that server was measured."""
        if other in self.rounds and OURS in self.rounds:
            rate, of_cpu = self._ratios(other)
            self.verdicts.append(Verdict(f"÷ {other}", rate, bar, at_least=True, of_cpu=of_cpu))

    def show(self, other: str) -> None:
        """Note the ratio of our rate to another server's, to which no bar applies."""
        if other in self.rounds and OURS in self.rounds:
            rate, of_cpu = self._ratios(other)
            by_cpu = "" if of_cpu is None else f", by CPU {short(of_cpu)}"
            self.notes.append(f"÷ {other} {short(rate)}{by_cpu}")

    def _ratios(self, other: str) -> tuple[float, float | None]:
        """Return the ratio of our rate to another server's, and that of the CPU times, if they are measured."""
        has_cpu = all(each.cpu_ms for each in (*self.rounds[OURS], *self.rounds[other]))
        of_cpu = self.ratio(lambda each: each.cpu_ms, other, OURS) if has_cpu else None
        return self.ratio(lambda each: each.rate, OURS, other), of_cpu

    def at_most(self, text: str, value: float, bar: float, unit: str = "") -> None:
        """Add an upper bar."""
        self.verdicts.append(Verdict(text, value, bar, at_least=False, unit=unit))


def short(value: float) -> str:
    """Return a number with two or three significant digits."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
