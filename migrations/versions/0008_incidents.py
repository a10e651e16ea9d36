"""Incidents: exceptions in the engine, what they were blamed on, and their release."""

from alembic import op

revision = "0008"
down_revision = "0007"

STATEMENTS = (
    """
    CREATE TABLE incidents (
        incident_id BIGINT NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        epoch BIGINT NOT NULL,
        sequence BIGINT NOT NULL,
        command TEXT NOT NULL,
        digest TEXT,
        asset TEXT,
        account_id TEXT,
        symbol TEXT,
        position_side TEXT,
        error TEXT NOT NULL,
        times BIGINT NOT NULL,
        CONSTRAINT incidents_pkey PRIMARY KEY (incident_id),
        CONSTRAINT incidents_position_side CHECK (position_side IN ('both', 'long', 'short')),
        CONSTRAINT incidents_blamed CHECK ((digest IS NULL) <> (asset IS NULL)),
        CONSTRAINT incidents_scope CHECK (account_id IS NULL OR asset IS NOT NULL),
        CONSTRAINT incidents_leg CHECK ((symbol IS NULL) = (position_side IS NULL)),
        CONSTRAINT incidents_times CHECK (times >= 1)
    )
    """,
    """
    CREATE TABLE incident_releases (
        sequence BIGINT NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        incident_id BIGINT NOT NULL,
        reason TEXT NOT NULL,
        CONSTRAINT incident_releases_pkey PRIMARY KEY (sequence),
        CONSTRAINT incident_releases_incident_id_key UNIQUE (incident_id)
    )
    """,
)
KINDS = "'fund_below_minimum', 'fund_empty', 'emergency_injection', 'adl', 'clock_jump'"


def upgrade() -> None:
    """There were none, or nobody has recorded them."""
    for statement in STATEMENTS:
        op.execute(statement)
    _alerts(f"{KINDS}, 'incident'")


def downgrade() -> None:
    """Forget them, and their alerts."""
    op.execute("DROP TABLE incidents, incident_releases")
    op.execute("DELETE FROM alerts WHERE kind = 'incident'")
    _alerts(KINDS)


def _alerts(kinds: str) -> None:
    op.execute("ALTER TABLE alerts DROP CONSTRAINT alerts_kind")
    op.execute(f"ALTER TABLE alerts ADD CONSTRAINT alerts_kind CHECK (kind IN ({kinds}))")
