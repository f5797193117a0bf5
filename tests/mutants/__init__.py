"""Mutation testing of `models/` and `coordinator/`: are there tests that fail when a line is changed?

`make mutants` runs mutmut on a random sample of its mutants (small changes of one expression each) and fails when fewer
than 90 % are killed. Survivors that no test can kill, or that are not worth a test, are listed with a reason in
`explained.toml` and do not count. mutmut leaves out decorated functions (`@asynccontextmanager`, `@property`). The
tests run on SQLite, and in the process of mutmut. Those that fail without a mutant are left out and listed.

    make mutants                    # 200 mutants, about an hour on two cores; prints its seed
    make mutants SAMPLE=50 SEED=7   # fewer, the same each time
    make mutants ONLY='models.domain.*' SAMPLE=all

The report is `mutants/report.md`. `python -m mutmut show NAME` prints a mutant, and
`python -m mutmut tests-for-mutant NAME` the tests that call its function.
"""
