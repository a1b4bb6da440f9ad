"""Jobs, their events and their schedules."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
LONG = sa.BigInteger()
UNFINISHED = sa.text("finished_at IS NULL")


def upgrade() -> None:
    create_jobs()
    create_job_events()
    create_job_schedules()


def create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=True),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("input", TEXT, nullable=True),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("note", TEXT, nullable=True),
        sa.Column("result", TEXT, nullable=True),
        sa.Column("error_code", TEXT, nullable=True),
        sa.Column("error_message", TEXT, nullable=True),
        sa.Column("process_id", TEXT, nullable=True),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("is_cancelling", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("finished_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_finished_at", "jobs", ["finished_at"])
    op.create_index("ix_jobs_project_id_created_at", "jobs", ["project_id", "created_at", "id"])
    op.create_index(
        "ix_jobs_unfinished", "jobs", ["state", "created_at"], sqlite_where=UNFINISHED, postgresql_where=UNFINISHED
    )


def create_job_events() -> None:
    op.create_table(
        "job_events",
        sa.Column("job_id", TEXT, nullable=False),
        sa.Column("sequence", LONG, nullable=False),
        sa.Column("project_id", TEXT, nullable=True),
        sa.Column("at", TIME, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("data", TEXT, nullable=True),
        sa.Column("mark", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "sequence", name="pk_job_events"),
    )
    op.create_index("uq_job_events_mark", "job_events", ["job_id", "mark"], unique=True)


def create_job_schedules() -> None:
    op.create_table(
        "job_schedules",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=True),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("input", TEXT, nullable=True),
        sa.Column("cron", TEXT, nullable=False),
        sa.Column("next_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_job_schedules"),
    )
    op.create_index("ix_job_schedules_project_id", "job_schedules", ["project_id"])
    op.create_index("ix_job_schedules_next_at", "job_schedules", ["next_at"])
