"""A model-based test: random commands in any order, run on the product and on a model, and compared after each step.

A Hypothesis state machine chooses commands of owners, external workers and our own workers, stale and unauthorized ones
among them, and kills and restarts the process around commits. Each command runs through GraphQL or the functions that
workers call, and on a model that has the documented lifecycle in a few hundred lines. Outcome, every shown field, the
rows, the log, the tickets and the hints must be what the model says.

Reading order:
    model, model_state, model_scene   the model: what may happen to a job
    machine, render_rules, side_events   the rules: which commands exist
    targets                           which job, scene or claim a rule acts on
    harness                           runs a command on both, compares;  checks  what is compared
    env, api                          the product: a container that can be killed, and its GraphQL API
    mutants                           the product with one bug each, to prove that the checks can fail
    trace, replay, search             the shortest trace that detects a mutant: stored, replayed, found

`make test` runs a few examples, and replays the trace of each mutant from `traces`. `make proof` is the long run:
`python -m tests.any_order`, which also searches for the mutants. After a change of the machine, record the traces
again: `python -m tests.any_order record`.
"""
