"""The compiled path: which of the documents of this repository take it."""

from collections import Counter

from graphql import OperationDefinitionNode, validate

from bench.context import Context
from bench.documents import documents
from bench.results import Result, Verdict
from execution.deviation import Unsupported
from execution.plans import Plans
from execution.selections import condition_variables
from schema.raw import raw_values
from server.graphql.compiling import schema_of
from server.settings import Settings

PERCENT = 95.0


def compiled_path(_context: Context) -> list[Result]:
    """Compile every operation that is valid, with every condition on and off."""
    result = Result("operations of tests, docs and explorer on the compiled path", "")
    schema = schema_of(Settings(database_url="sqlite+aiosqlite:///none.db"))
    plans = Plans(schema, raw_values("sqlite"))
    compiled = 0
    reasons: Counter[str] = Counter()
    for text, document in documents().items():
        if validate(schema.core, document):
            continue
        for operation in document.definitions:
            if not isinstance(operation, OperationDefinitionNode):
                continue
            names = condition_variables(document, operation)
            try:
                for value in (False, True):
                    plans.plan(text, document, operation, [(name, value) for name in names])
            except Unsupported as unsupported:
                reasons[unsupported.reason] += 1
            else:
                compiled += 1
    total = compiled + reasons.total()
    share = 100.0 * compiled / total
    result.verdicts.append(Verdict(f"of {total} operations", share, PERCENT, at_least=True, unit=" %"))
    result.notes.extend(f"{count} are not compiled: {reason}" for reason, count in reasons.most_common())
    return [result]
