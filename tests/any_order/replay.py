"""Replaying a trace, and naming the check that fails."""

import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.any_order.machine import AnyOrder
from tests.any_order.trace import Step

FOLDER = Path(__file__).parent
# The parts of the machine that hold the assertions.
CHECKING = {"api", "checks", "env", "harness", "machine", "render_rules", "side_events"}


def replay(steps: Sequence[Step]) -> None:
    """Run the steps on a fresh machine. Raises AssertionError when the product differs from the model."""
    machine = AnyOrder()
    try:
        for step in steps:
            getattr(machine, step.rule)(**step.arguments)
            machine.check_queue()
        machine.check_full_logs()
    finally:
        machine.close()


def failed_check(steps: Sequence[Step]) -> str | None:
    """Return the function whose assertion fails in a replay; None when all hold.

    An exception that no assertion of the machine raises is passed on: it says nothing about the product.
    """
    try:
        replay(steps)
    except AssertionError as error:
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        file = Path(frame.f_code.co_filename)
        if file.parent == FOLDER and file.stem in CHECKING:
            return f"{file.stem}.{frame.f_code.co_qualname}"
        raise
    return None
