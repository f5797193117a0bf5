"""Migrations since the last release only add: its processes work on beside new ones for the length of a roll-out."""

import ast
from collections.abc import Iterator

import pytest

from models import migrations
from models.migrations import FOLDER
from tests.support.previous_release import revision

# What the last release no longer uses, by revision, each with the reason why its processes can do without it.
CONTRACTIONS: dict[str, str] = {
    "0019": "Indexes with the same names and with the columns of the former are made again; no statement names one.",
    "0020": "What Postgres supposes of the owners of jobs when it plans; a slower plan has the same rows.",
}

# What makes room without touching what is there; everything else needs a reason above.
ADDING = frozenset({"create_table", "create_index", "add_column", "get_bind", "batch_alter_table", "f"})
REMOVING = frozenset({"alter_column", "rename_table"})
REMOVING_WORDS = ("DROP ", "RENAME ", "ALTER COLUMN", "SET NOT NULL", "DELETE ", "TRUNCATE ")


def contractions(source: str) -> Iterator[str]:
    """Yield what `upgrade` of a migration does besides adding tables, indexes and optional columns."""
    tree = ast.parse(source)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    calls = list(_method_calls(functions["upgrade"]))
    made = [_table_of(call) for name, call in calls if name == "create_table"]
    for name, call in calls:
        assert isinstance(call.func, ast.Attribute)
        owner = call.func.value
        if isinstance(owner, ast.Name) and owner.id in ("op", "batch", "batch_op") and name not in ADDING:
            yield f"{owner.id}.{name}"
        if name == "add_column" and not _is_optional(call):
            yield "a column that must be given"
        if name == "create_index" and _is_unique(call) and _table_of(call, 1) not in made:
            yield "a unique index of an existing table"
    for function in functions.values():
        # What `upgrade` calls.
        if function.name not in ("upgrade", "downgrade"):
            names = [name for name, _ in _method_calls(function)]
            yield from (name for name in names if name.startswith("drop_") or name in REMOVING)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            upper = node.value.upper()
            yield from (word for word in REMOVING_WORDS if word in upper and not _is_downgrade(tree, node))


def _method_calls(function: ast.FunctionDef) -> Iterator[tuple[str, ast.Call]]:
    """Yield the name and the call of each method."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr, node


def _table_of(call: ast.Call, position: int = 0) -> str:
    """Return the source of the argument that names the table."""
    return ast.unparse(call.args[position])


def _is_unique(call: ast.Call) -> bool:
    """Whether an index takes no equal rows, which processes of the last release may write."""
    return any(each.arg == "unique" and ast.unparse(each.value) != "False" for each in call.keywords)


def _is_optional(call: ast.Call) -> bool:
    """Whether the column of `add_column` is nullable or has a default of the database."""
    options = {
        keyword.arg: keyword.value
        for each in ast.walk(call)
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) and each.func.attr == "Column"
        for keyword in each.keywords
    }
    nullable = options.get("nullable")
    return "server_default" in options or (isinstance(nullable, ast.Constant) and nullable.value is True)


def _is_downgrade(tree: ast.Module, text: ast.Constant) -> bool:
    """Whether the text is part of `downgrade`, or documentation."""
    for node in tree.body:
        inside = text in ast.walk(node)
        if inside and isinstance(node, ast.FunctionDef) and node.name == "downgrade":
            return True
        if inside and isinstance(node, ast.Expr):
            return True
    documented = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.FunctionDef)]
    return any(ast.get_docstring(node, clean=False) == text.value for node in documented)


@pytest.mark.parametrize("number", [each for each in migrations.known() if each > revision()])
def test_migration_since_the_last_release_only_adds(number: str) -> None:
    """Or says why its processes can do without what it removes: see docs/upgrades.md."""
    (file,) = (FOLDER / "versions").glob(f"{number}_*.py")
    found = sorted(set(contractions(file.read_text("utf-8"))))
    assert found == [] or number in CONTRACTIONS, found


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('op.drop_column("job", "title")', ["op.drop_column"]),
        ('op.alter_column("job", "title", new_column_name="name")', ["op.alter_column"]),
        ('op.add_column("job", sa.Column("size", sa.Integer(), nullable=False))', ["a column that must be given"]),
        ('op.add_column("job", sa.Column("size", sa.Integer(), nullable=False, server_default="0"))', []),
        ('op.get_bind().exec_driver_sql("ALTER TABLE job DROP COLUMN title")', ["DROP "]),
        ('op.execute("UPDATE job SET title = 1")', ["op.execute"]),
        ('op.create_index("ix_title", "job", ["title"], unique=True)', ["a unique index of an existing table"]),
        ('op.create_table("new")\n    op.create_index("ix_new", "new", ["title"], unique=True)', []),
        ('_step()\n\ndef _step():\n    op.drop_table("job")', ["drop_table"]),
        ('with op.batch_alter_table("job") as batch:\n        batch.drop_constraint("x")', ["batch.drop_constraint"]),
    ],
)
def test_contractions_are_found(body: str, found: list[str]) -> None:
    """Whether they are operations of Alembic or SQL."""
    assert list(contractions(f"def upgrade():\n    {body}\n")) == found
