"""Keep leased workers, their leases, and what waiting takes require of a worker

All tables begin empty. Processes of revision 0013 neither read nor write them, and hand out no take of the provider
`leased`.
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_OPEN = sa.text("ended_at IS NULL")


def upgrade() -> None:
    """Create the tables, and add a column of waiting takes; no table is rewritten on either database."""
    text, instant = sqlmodel.sql.sqltypes.AutoString, sqlmodel.sql.sqltypes.UTCDateTime
    op.create_table(
        "worker",
        sa.Column("id", text(length=64), nullable=False),
        sa.Column("owner_id", text(), nullable=False),
        sa.Column("name", text(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("models", sa.JSON(), nullable=False),
        sa.Column("serves_all", sa.Boolean(), nullable=False),
        sa.Column("unhealthy_reason", text(), nullable=True),
        sa.Column("started_at", instant(), nullable=False),
        sa.Column("last_seen_at", instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("owner_id", "name", name="uq_worker_owner_name"),
    )
    op.create_index("ix_worker_last_seen", "worker", ["last_seen_at"])
    op.create_table(
        "takelease",
        sa.Column("token_hash", text(length=64), nullable=False),
        sa.Column("worker_id", text(length=64), nullable=False),
        sa.Column("owner_id", text(), nullable=False),
        sa.Column("job_id", text(length=64), nullable=False),
        sa.Column("scene_id", text(length=64), nullable=False),
        sa.Column("take_id", text(length=64), nullable=False),
        sa.Column("take_number", sa.Integer(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("claimed_at", instant(), nullable=False),
        sa.Column("upload_id", text(), nullable=True),
        sa.Column("ended_at", instant(), nullable=True),
        sa.Column("outcome", text(), nullable=True),
        sa.Column("delivery", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["scene_id"], ["scene.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_index("ix_takelease_scene", "takelease", ["scene_id"])
    op.create_index("ix_takelease_take", "takelease", ["take_id", "run"])
    op.create_index("ix_takelease_worker", "takelease", ["worker_id", "owner_id"])
    op.create_index("ix_takelease_open", "takelease", ["worker_id"], sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.create_table(
        "workline",
        sa.Column("line", text(length=64), nullable=False),
        sa.Column("model", text(), nullable=True),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("line"),
    )
    op.create_index("ix_workline_model", "workline", ["model"])
    op.create_table(
        "lineowner",
        sa.Column("line", text(length=64), nullable=False),
        sa.Column("owner_id", text(), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("line", "owner_id"),
    )
    op.create_index("ix_lineowner_next", "lineowner", ["line", "turn", "owner_id"])
    op.create_table(
        "linejob",
        sa.Column("line", text(length=64), nullable=False),
        sa.Column("job_id", text(length=64), nullable=False),
        sa.Column("owner_id", text(), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("line", "job_id"),
    )
    op.create_index("ix_linejob_next", "linejob", ["line", "owner_id", "turn", "job_id"])
    op.create_index("ix_linejob_job", "linejob", ["job_id"])
    op.add_column("scene", sa.Column("line", text(length=64), nullable=True))


def downgrade() -> None:
    """Drop them; takes that a worker holds stay PROCESSING."""
    op.drop_column("scene", "line")
    for table in ("linejob", "lineowner", "workline", "takelease", "worker"):
        op.drop_table(table)
