"""Keep access tokens, the jobs that they name, and which of them an audited mutation used

The tables begin empty, and the column is null where no access token was used, which is what processes of revision 0015
write. They refuse access tokens.
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and add the column; no table is rewritten on either database."""
    text, instant = sqlmodel.sql.sqltypes.AutoString, sqlmodel.sql.sqltypes.UTCDateTime
    op.create_table(
        "accesstoken",
        sa.Column("id", text(length=64), nullable=False),
        sa.Column("token_hash", text(length=64), nullable=False),
        sa.Column("owner_id", text(), nullable=False),
        sa.Column("owner_name", text(), nullable=False),
        sa.Column("label", text(), nullable=True),
        sa.Column("grants", sa.JSON(), nullable=False),
        sa.Column("all_jobs", sa.Boolean(), nullable=False),
        sa.Column("serves_all", sa.Boolean(), nullable=False),
        sa.Column("created_at", instant(), nullable=False),
        sa.Column("expires_at", instant(), nullable=False),
        sa.Column("last_used_at", instant(), nullable=True),
        sa.Column("revoked_at", instant(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_accesstoken_hash", "accesstoken", ["token_hash"], unique=True)
    op.create_index("ix_accesstoken_owner", "accesstoken", ["owner_id", "created_at", "id"])
    op.create_index("ix_accesstoken_expires_at", "accesstoken", ["expires_at"])
    op.create_table(
        "accesstokenjob",
        sa.Column("token_id", text(length=64), nullable=False),
        sa.Column("job_id", text(length=64), nullable=False),
        sa.Column("owner_id", text(), nullable=False),
        sa.ForeignKeyConstraint(["token_id"], ["accesstoken.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_id", "job_id"),
    )
    op.add_column("audit", sa.Column("token_id", text(length=64), nullable=True))


def downgrade() -> None:
    """Drop them: access tokens end."""
    op.drop_column("audit", "token_id")
    op.drop_table("accesstokenjob")
    op.drop_table("accesstoken")
