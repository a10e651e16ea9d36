"""The stress library's edits."""

from alembic import op

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    """The library is the release's until somebody edits it."""
    op.execute("""
        CREATE TABLE stress_scenarios (
            scenario_id TEXT NOT NULL,
            version BIGINT NOT NULL,
            enabled BOOLEAN NOT NULL,
            reason TEXT,
            body JSON NOT NULL,
            by TEXT NOT NULL,
            at TIMESTAMP WITH TIME ZONE NOT NULL,
            CONSTRAINT stress_scenarios_pkey PRIMARY KEY (scenario_id, version),
            CONSTRAINT stress_scenarios_version CHECK (version >= 1),
            CONSTRAINT stress_scenarios_reason CHECK (enabled OR reason IS NOT NULL)
        )
    """)


def downgrade() -> None:
    """Back to the release's own library."""
    op.execute("DROP TABLE stress_scenarios")
