"""The command log, answers, and leadership with its one row."""

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS = (
    """
    CREATE TABLE commands (
        sequence BIGINT NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        epoch BIGINT NOT NULL,
        kind TEXT NOT NULL,
        body JSON NOT NULL,
        CONSTRAINT commands_pkey PRIMARY KEY (sequence),
        CONSTRAINT commands_sequence CHECK (sequence >= 1)
    )
    """,
    """
    CREATE TABLE answers (
        scope TEXT NOT NULL,
        key TEXT NOT NULL,
        digest TEXT NOT NULL,
        results JSON NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT answers_pkey PRIMARY KEY (scope, key)
    )
    """,
    "CREATE INDEX answers_request_time ON answers (time) WHERE scope LIKE 'request/%'",
    """
    CREATE TABLE leadership (
        one BOOLEAN DEFAULT true NOT NULL,
        epoch BIGINT NOT NULL,
        sequence BIGINT NOT NULL,
        time TIMESTAMP WITH TIME ZONE,
        last_order BIGINT NOT NULL,
        last_trade BIGINT NOT NULL,
        last_transfer BIGINT NOT NULL,
        last_liquidation BIGINT NOT NULL,
        last_liquidation_event BIGINT NOT NULL,
        last_adl_event BIGINT NOT NULL,
        last_alert BIGINT NOT NULL,
        CONSTRAINT leadership_pkey PRIMARY KEY (one),
        CONSTRAINT leadership_one CHECK (one),
        CONSTRAINT leadership_epoch CHECK (epoch >= 0)
    )
    """,
    """
    INSERT INTO leadership (
        epoch, sequence, last_order, last_trade, last_transfer,
        last_liquidation, last_liquidation_event, last_adl_event, last_alert
    ) VALUES (0, 0, 0, 0, 0, 0, 0, 0, 0)
    """,
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
