"""Keep what clips are to be like, what they are made from, and how they were really made

Null means nothing of its own, which is what processes of revision 0011 write. They read none of it.
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_COLUMNS = {"job": ("settings",), "scene": ("settings", "inputs"), "take": ("settings", "inputs", "made")}


def upgrade() -> None:
    """Add the columns, empty, and a table; no table is rewritten on either database."""
    for table, names in _COLUMNS.items():
        for name in names:
            op.add_column(table, sa.Column(name, sa.JSON(none_as_null=True), nullable=True))
    text = sqlmodel.sql.sqltypes.AutoString
    op.create_table(
        "sceneinput",
        sa.Column("scene_id", text(length=64), nullable=False),
        sa.Column("ref", text(length=64), nullable=False),
        sa.ForeignKeyConstraint(["scene_id"], ["scene.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("scene_id", "ref"),
    )
    op.create_index("ix_sceneinput_ref", "sceneinput", ["ref"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("sceneinput")
    for table, names in _COLUMNS.items():
        for name in names:
            op.drop_column(table, name)
