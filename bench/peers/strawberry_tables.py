"""The tables of the plain Strawberry server, in the ORM of SQLAlchemy."""

from datetime import datetime

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The base of the tables."""


class JobTable(Base):
    """A job."""

    __tablename__ = "job"
    id: Mapped[str] = mapped_column(primary_key=True)
    owner_id: Mapped[str]
    title: Mapped[str]
    status: Mapped[str]
    version: Mapped[int]
    pending: Mapped[int]
    processing: Mapped[int]
    completed: Mapped[int]
    failed: Mapped[int]
    canceled: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class SceneTable(Base):
    """A scene."""

    __tablename__ = "scene"
    id: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[str]
    position: Mapped[int]
    title: Mapped[str | None]
    prompt: Mapped[str]
    status: Mapped[str]
    percentage: Mapped[float | None]
    high_water: Mapped[float]
    duration_seconds: Mapped[float]
    attempts: Mapped[int]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
