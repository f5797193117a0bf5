"""Settings of the garbage collector for a server that has started."""

import gc


def tune() -> None:
    """Exempt all objects that exist now, which live as long as the process, and collect less often."""
    gc.collect()
    gc.freeze()
    # A list of a thousand rows makes more objects than the default of 700, and frees them without a collection.
    gc.set_threshold(max(2_500, gc.get_threshold()[0]))
