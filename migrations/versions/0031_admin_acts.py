"""Who gave a command, where an admin did, and why."""

from alembic import op

revision = "0031"
down_revision = "0030"

STATEMENTS = (
    """
    CREATE TABLE admin_acts (
        sequence BIGINT NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        key_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        reference TEXT,
        CONSTRAINT admin_acts_pkey PRIMARY KEY (sequence)
    )
    """,
    "CREATE INDEX admin_acts_time_sequence ON admin_acts (time, sequence)",
    "CREATE INDEX admin_acts_kind_sequence ON admin_acts (kind, sequence)",
    "CREATE INDEX admin_acts_key_id_sequence ON admin_acts (key_id, sequence)",
    "CREATE INDEX admin_acts_key_id_kind_sequence ON admin_acts (key_id, kind, sequence)",
)


def upgrade() -> None:
    """Empty: whose earlier commands were, nothing says."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Who did what is lost, what was done is in the log."""
    op.execute("DROP TABLE admin_acts")
