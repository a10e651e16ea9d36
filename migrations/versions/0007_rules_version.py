"""Each command names its version of the rules; snapshots of the state where that changes."""

from alembic import op

revision = "0007"
down_revision = "0006"

STATEMENTS = (
    # The default is what is there, and for a leader of an earlier release that writes on meanwhile.
    "ALTER TABLE commands ADD COLUMN rules_version INTEGER DEFAULT 0 NOT NULL",
    """
    CREATE TABLE snapshots (
        sequence BIGINT NOT NULL,
        rules_version INTEGER NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        state_hash TEXT NOT NULL,
        CONSTRAINT snapshots_pkey PRIMARY KEY (sequence, rules_version)
    )
    """,
    """
    CREATE TABLE snapshot_parts (
        sequence BIGINT NOT NULL,
        rules_version INTEGER NOT NULL,
        name TEXT NOT NULL,
        part BIGINT NOT NULL,
        content JSON NOT NULL,
        CONSTRAINT snapshot_parts_pkey PRIMARY KEY (sequence, rules_version, name, part)
    )
    """,
)


def upgrade() -> None:
    """What is in the log was applied before there were versions."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Forget versions and snapshots."""
    op.execute("DROP TABLE snapshot_parts, snapshots")
    op.execute("ALTER TABLE commands DROP COLUMN rules_version")
