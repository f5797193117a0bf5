"""The tables of turns: whose take is rendered next. Written by `models.writes.turns` only."""

import sqlalchemy as sa
from sqlmodel import Field, SQLModel


class OwnerTurn(SQLModel, table=True):
    """The place of an owner among those whose takes wait for a provider: the lowest `turn` is next."""

    __table_args__ = (sa.Index("ix_ownerturn_next", "provider", "turn", "owner_id"),)

    provider: str = Field(primary_key=True)
    owner_id: str = Field(primary_key=True)
    turn: int = Field(sa_type=sa.BigInteger)


class JobTurn(SQLModel, table=True):
    """The place of a job with waiting takes among those of its owner and provider: the lowest `turn` is next."""

    __table_args__ = (sa.Index("ix_jobturn_next", "provider", "owner_id", "turn", "job_id"),)

    job_id: str = Field(primary_key=True, max_length=64)
    provider: str
    owner_id: str
    turn: int = Field(sa_type=sa.BigInteger)


OWNER_TURN = SQLModel.metadata.tables["ownerturn"]
JOB_TURN = SQLModel.metadata.tables["jobturn"]
