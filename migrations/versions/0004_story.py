"""A liquidation's story in its own row, not a row per step; JSON as it was written, as lists."""

from alembic import op

revision = "0004"
down_revision = "0003"

UP = (
    "ALTER TABLE liquidations ADD COLUMN steps JSON",
    """
    UPDATE liquidations SET steps = COALESCE(
        (
            SELECT json_agg(json_build_array(kind, detail) ORDER BY number)
            FROM liquidation_steps AS step
            WHERE step.liquidation_id = liquidations.liquidation_id
        ),
        '[]'
    )
    """,
    "ALTER TABLE liquidations ALTER COLUMN steps SET NOT NULL",
    "DROP TABLE liquidation_steps",
    "ALTER TABLE adl_events ALTER COLUMN queue TYPE JSON",
    """
    UPDATE adl_events SET queue = COALESCE(
        (
            SELECT json_agg(
                json_build_array(
                    place->'account_id', place->'position_side', place->'score', place->'quantity'
                )
                ORDER BY rank
            )
            FROM json_array_elements(queue) WITH ORDINALITY AS kept (place, rank)
        ),
        '[]'
    )
    """,
    "ALTER TABLE alerts ALTER COLUMN detail TYPE JSON",
)
DOWN = (
    "ALTER TABLE alerts ALTER COLUMN detail TYPE JSONB",
    """
    UPDATE adl_events SET queue = COALESCE(
        (
            SELECT json_agg(
                json_build_object(
                    'rank', rank, 'account_id', place->0, 'position_side', place->1,
                    'score', place->2, 'quantity', place->3
                )
                ORDER BY rank
            )
            FROM json_array_elements(queue) WITH ORDINALITY AS kept (place, rank)
        ),
        '[]'
    )
    """,
    "ALTER TABLE adl_events ALTER COLUMN queue TYPE JSONB",
    """
    CREATE TABLE liquidation_steps (
        liquidation_id BIGINT NOT NULL,
        number INTEGER NOT NULL,
        kind TEXT NOT NULL,
        detail JSONB NOT NULL,
        CONSTRAINT liquidation_steps_pkey PRIMARY KEY (liquidation_id, number),
        CONSTRAINT liquidation_steps_kind
            CHECK (kind IN ('trigger', 'orders_canceled', 'order', 'fill', 'clearance_fee',
                'takeover', 'deleveraging', 'closed_at_mark', 'deficit_cover',
                'emergency_injection', 'margin_returned', 'end'))
    )
    """,
    """
    INSERT INTO liquidation_steps
    SELECT liquidation_id, number, step->>0, (step->1)::jsonb
    FROM liquidations, json_array_elements(steps) WITH ORDINALITY AS told (step, number)
    """,
    "ALTER TABLE liquidations DROP COLUMN steps",
)


def upgrade() -> None:
    """Move the steps into the liquidations."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Move them back into rows of their own."""
    for statement in DOWN:
        op.execute(statement)
