"""The bounds of compiled operations, and the source that is generated for them."""

import gc
import tracemalloc

import pytest
from graphql import DocumentNode, FieldNode, NameNode, OperationDefinitionNode, parse

from execution.compile_time import CompileTime
from execution.deviation import COMPILE_TIME, INTROSPECTION, TOO_LARGE, UNKNOWN, Unsupported
from execution.module import Module, attribute, literal
from execution.plan import Plan
from execution.plans import Plans
from execution.raw import RawValues
from execution.selections import condition_variables
from tests.support.compiled_sample import sample_schema

SCHEMA = sample_schema()


def operation_of(document: DocumentNode) -> OperationDefinitionNode:
    """Return the only operation."""
    (operation,) = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    return operation


def planned(plans: Plans, text: str, **conditions: bool) -> Plan:
    """Return the plan of a document with one operation."""
    document = parse(text)
    return plans.plan(text, document, operation_of(document), sorted(conditions.items()))


def test_operation_is_compiled_once() -> None:
    """And the other operations of other documents have their own plans."""
    plans = Plans(SCHEMA)
    first = planned(plans, "{ owners { name } }")
    assert planned(plans, "{ owners { name } }") is first
    assert planned(plans, "{ owners { hue } }") is not first
    assert len(plans) == 2


def test_each_value_of_a_condition_has_its_plan() -> None:
    """@skip and @include are decided when the operation is compiled."""
    plans = Plans(SCHEMA)
    text = "query($all: Boolean!) { owners { name hue @include(if: $all) } }"
    assert planned(plans, text, all=True) is not planned(plans, text, all=False)
    assert planned(plans, text, all=True) is planned(plans, text, all=True)


def test_number_of_plans_is_bounded() -> None:
    """The least recently used ones are forgotten."""
    plans = Plans(SCHEMA, most=3)
    texts = [f"{{ a{number}: owners {{ name }} }}" for number in range(4)]
    kept = [planned(plans, text) for text in texts[:3]]
    assert planned(plans, texts[0]) is kept[0]
    planned(plans, texts[3])
    assert len(plans) == 3
    assert planned(plans, texts[0]) is kept[0]
    assert planned(plans, texts[1]) is not kept[1]


def test_size_of_plans_is_bounded() -> None:
    """By an estimate of their bytes, whose sum is exact after any number of plans."""
    one = Plans(SCHEMA)
    planned(one, "{ a0: owners { name } }")
    plans = Plans(SCHEMA, most_bytes=3 * one.bytes)
    for number in range(10):
        planned(plans, f"{{ a{number}: owners {{ name }} }}")
    assert (len(plans), plans.bytes) == (3, 3 * one.bytes)


def test_size_of_plans_includes_their_syntax_trees() -> None:
    """A plan keeps the tree of its whole document, also when the cache of documents has forgotten it."""
    short, long = Plans(SCHEMA), Plans(SCHEMA)
    planned(short, "{ owners { name } }")
    text = "query A { owners { name } } query B { owners { echo(hues: [" + "RED " * 900 + "]) } }"
    tracemalloc.start()
    try:
        kept = parse(text)
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    operation = next(node for node in kept.definitions if isinstance(node, OperationDefinitionNode))
    long.plan(text, kept, operation, [])
    assert long.bytes >= short.bytes + taken


def test_unsupported_operation_is_kept_as_such() -> None:
    """It is not compiled again, and counts for the bound."""
    plans = Plans(SCHEMA, most=1)
    for _ in "12":
        with pytest.raises(Unsupported, match=INTROSPECTION):
            planned(plans, "{ __schema { types { name } } }")
    assert len(plans) == 1


def test_large_operation_is_not_compiled() -> None:
    """Fragments can multiply the fields of a short document."""
    both = "fragment F{0} on Owner {{ a: noneOfMany {{ ...F{1} }} b: noneOfMany {{ ...F{1} }} }}"
    names = [both.format(number, number + 1) for number in range(12)]
    text = "\n".join(["{ owners { ...F0 } }", *names, "fragment F12 on Owner { name }"])
    with pytest.raises(Unsupported, match=TOO_LARGE):
        planned(Plans(SCHEMA), text)


def test_time_for_compiling_is_bounded() -> None:
    """Beyond it nothing new is compiled, until time has passed; plans that exist are used."""
    now, spent = [0.0], [0.0]
    time = CompileTime(
        burst=0.1, share=0.5, clock=lambda: now[0], spent=lambda: spent.append(spent[-1] + 0.08) or spent[-1]
    )
    plans = Plans(SCHEMA, time=time)
    first = planned(plans, "{ owners { name } }")
    planned(plans, "{ owners { hue } }")
    for _ in "12":
        with pytest.raises(Unsupported, match=COMPILE_TIME):
            planned(plans, "{ owners { n: name } }")
    assert planned(plans, "{ owners { name } }") is first
    now[0] = 0.13
    planned(plans, "{ owners { n: name } }")


def test_bound_of_fields_bounds_the_time_of_one_document() -> None:
    """A short document whose fragments multiply is given up early."""
    selections = " ".join(f"a{number}: pets {{ ...P }}" for number in range(10))
    fragments = "fragment P on Pet { " + " ".join(f"n{number}: name" for number in range(60)) + " }"
    with pytest.raises(Unsupported, match=TOO_LARGE):
        planned(Plans(SCHEMA), f"{{ owners {{ {selections} }} }} {fragments}")


def test_only_variables_of_conditions_are_part_of_the_key() -> None:
    """Sorted, from fragments too, and only those of the operation."""
    document = parse(
        """query($b: Boolean!, $a: Boolean!, $n: Int) { owners(count: $n) { ...F name @skip(if: $b) } }
        fragment F on Owner { hue @include(if: $a) name @include(if: $other) }"""
    )
    assert condition_variables(document, operation_of(document)) == ("a", "b")


HOSTILE = ["x': __import__('os').system('false'), '", "a\nb", 'a"b', "a\\", "é", "a b", "", "1a", "x\u2028y", "a\n"]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_name_never_reaches_the_source(name: str) -> None:
    """The parser refuses such names; a syntax tree that was made otherwise is refused too."""
    for write in (literal, attribute):
        with pytest.raises(Unsupported, match=UNKNOWN):
            write(name)
    document = parse("{ a: owners { b: name } }")
    (field,) = operation_of(document).selection_set.selections
    assert isinstance(field, FieldNode)
    object.__setattr__(field, "alias", NameNode(value=name))
    with pytest.raises(Unsupported, match=UNKNOWN):
        Plan(SCHEMA, document, operation_of(document), {}, RawValues())


def test_names_of_python_and_of_the_generated_code_are_harmless_aliases() -> None:
    """They are keys of the answer, as text."""
    for alias in ("deviate", "slots", "o", "t", "add", "c1", "f1", "__import__", "None", "lambda", "class"):
        planned(Plans(SCHEMA), f"{{ {alias}: owners {{ {alias}: name {alias}x: hue }} }}")


def test_generated_functions_have_no_builtins() -> None:
    """Beyond the few names that generated source uses."""
    function = Module().function(["value"], ["return open(value)"])
    with pytest.raises(NameError):
        function("/etc/passwd")
