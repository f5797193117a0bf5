"""Joined videos, webhooks, allowances, audit"""

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "allowance",
        sa.Column("owner_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("purpose", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("full_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "purpose"),
    )
    op.create_table(
        "audit",
        sa.Column("id", sqlmodel.sql.sqltypes.AutoString(length=64), nullable=False),
        sa.Column("at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.Column("actor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("action", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("object_id", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("result", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("request_id", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index("ix_audit_actor", ["actor_id", "at"], unique=False)
        batch_op.create_index(batch_op.f("ix_audit_at"), ["at"], unique=False)

    op.create_table(
        "discardedmedia",
        sa.Column("key", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("discarded_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    with op.batch_alter_table("discardedmedia", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_discardedmedia_discarded_at"), ["discarded_at"], unique=False)

    op.create_table(
        "revocation",
        sa.Column("subject", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("not_before", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("subject"),
    )
    op.create_table(
        "webhook",
        sa.Column("id", sqlmodel.sql.sqltypes.AutoString(length=64), nullable=False),
        sa.Column("owner_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("job_id", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("url", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("disabled_reason", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("failing_since", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
        sa.Column("secret", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("previous_secret", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("previous_until", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
        sa.Column("created_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.Column("updated_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("webhook", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_webhook_job_id"), ["job_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_webhook_owner_id"), ["owner_id"], unique=False)

    op.create_table(
        "webhookdelivery",
        sa.Column("id", sqlmodel.sql.sqltypes.AutoString(length=64), nullable=False),
        sa.Column("webhook_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("job_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("scene_id", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "event_type",
            sa.Enum(
                "JOB_CREATED",
                "JOB_UPDATED",
                "JOB_STARTED",
                "JOB_CANCELED",
                "JOB_SETTLED",
                "JOB_DELETED",
                "JOB_RESTORED",
                "SCENE_ADDED",
                "SCENE_UPDATED",
                "SCENE_STARTED",
                "SCENE_COMPLETED",
                "SCENE_FAILED",
                "SCENE_RETRYING",
                "SCENE_CANCELED",
                "SCENE_REGENERATED",
                "SCENE_TAKE_SELECTED",
                "SCENE_DELETED",
                "SCENE_RESTORED",
                "SCENES_REORDERED",
                name="eventtype",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("actor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("changed", sa.JSON(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "PENDING",
                "SUCCEEDED",
                "FAILED",
                "EXHAUSTED",
                name="deliverystatus",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("body", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("attempts", sa.JSON(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
        sa.Column("next_attempt_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
        sa.Column("worker", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("held_until", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
        sa.Column("occurred_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.Column("created_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.Column("finished_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhook.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("webhookdelivery", schema=None) as batch_op:
        batch_op.create_index("ix_webhookdelivery_due", ["status", "next_attempt_at"], unique=False)
        batch_op.create_index("ix_webhookdelivery_newest", ["webhook_id", "created_at"], unique=False)
        batch_op.create_index("ix_webhookdelivery_order", ["webhook_id", "job_id", "status", "version"], unique=False)

    # Columns are added in place: SQLite would recreate a table for anything else, and dropping the old one cascades.
    op.add_column("job", sa.Column("cut", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("job", sa.Column("output", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("job", sa.Column("output_failure", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("scene", sa.Column("newest_take", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE scene SET newest_take = take_number")
    unjoined = sa.text("output IS NULL AND output_failure IS NULL AND deleted_at IS NULL")
    op.create_index("ix_job_unjoined", "job", ["status"], sqlite_where=unjoined, postgresql_where=unjoined)
    op.create_index("ix_job_purge_after", "job", ["purge_after"])
    op.create_index("ix_scene_purge_after", "scene", ["purge_after"])


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_scene_purge_after", "scene")
    op.drop_index("ix_job_purge_after", "job")
    op.drop_index("ix_job_unjoined", "job")
    op.drop_column("scene", "newest_take")
    op.drop_column("job", "output_failure")
    op.drop_column("job", "output")
    op.drop_column("job", "cut")

    with op.batch_alter_table("webhookdelivery", schema=None) as batch_op:
        batch_op.drop_index("ix_webhookdelivery_order")
        batch_op.drop_index("ix_webhookdelivery_newest")
        batch_op.drop_index("ix_webhookdelivery_due")

    op.drop_table("webhookdelivery")
    with op.batch_alter_table("webhook", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_webhook_owner_id"))
        batch_op.drop_index(batch_op.f("ix_webhook_job_id"))

    op.drop_table("webhook")
    op.drop_table("revocation")
    with op.batch_alter_table("discardedmedia", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_discardedmedia_discarded_at"))

    op.drop_table("discardedmedia")
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_at"))
        batch_op.drop_index("ix_audit_actor")

    op.drop_table("audit")
    op.drop_table("allowance")
