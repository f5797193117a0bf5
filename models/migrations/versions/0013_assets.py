"""Keep the assets of owners, and what is uploaded

Both tables begin empty. Processes of revision 0012 neither read nor write them.
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

KINDS = ("IMAGE", "VIDEO", "AUDIO")
STATUSES = ("WAITING", "READY", "REJECTED")


def _enum(name: str, values: tuple[str, ...]) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=24)


def upgrade() -> None:
    """Make the tables."""
    text, instant = sqlmodel.sql.sqltypes.AutoString, sqlmodel.sql.sqltypes.UTCDateTime
    op.create_table(
        "asset",
        sa.Column("id", text(length=64), nullable=False),
        sa.Column("owner_id", text(), nullable=False),
        sa.Column("kind", _enum("assetkind", KINDS), nullable=False),
        sa.Column("name", text(), nullable=True),
        sa.Column("name_folded", text(), nullable=True),
        sa.Column("status", _enum("assetstatus", STATUSES), nullable=False),
        sa.Column("content_type", text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", text(), nullable=True),
        sa.Column("upload_id", text(), nullable=True),
        sa.Column("stored_as", text(), nullable=True),
        sa.Column("media", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("poster", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("failure", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("created_at", instant(), nullable=False),
        sa.Column("updated_at", instant(), nullable=False),
        sa.Column("deleted_at", instant(), nullable=True),
        sa.Column("purge_after", instant(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_asset_owner_by_created", "asset", ["owner_id", "created_at", "id"])
    op.create_index("ix_asset_by_created", "asset", ["created_at", "id"])
    op.create_index("ix_asset_owner_hash", "asset", ["owner_id", "sha256"])
    op.create_index("ix_asset_owner_status", "asset", ["owner_id", "status"])
    op.create_index("ix_asset_stored_as", "asset", ["stored_as"])
    op.create_index("ix_asset_purge_after", "asset", ["purge_after"])
    op.create_table(
        "upload",
        sa.Column("id", text(length=64), nullable=False),
        sa.Column("owner_id", text(), nullable=False),
        sa.Column("content_type", text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("most_bytes", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("parts", sa.JSON(), nullable=False),
        sa.Column("created_at", instant(), nullable=False),
        sa.Column("expires_at", instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_upload_expires_at", "upload", ["expires_at"])


def downgrade() -> None:
    """Drop them; the files of assets stay in the media store."""
    op.drop_table("upload")
    op.drop_table("asset")
