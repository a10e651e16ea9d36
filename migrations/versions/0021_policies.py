"""A fund's policy is one document: what it may say grows with the rules."""

from alembic import op

revision = "0021"
down_revision = "0020"

OLD = ("max_net_notional_ratio", "share_below_minimum", "share_above_minimum")


def upgrade() -> None:
    """What they said stays said."""
    op.execute("ALTER TABLE funds ADD COLUMN policy JSONB")
    op.execute(
        """
        UPDATE funds SET policy = jsonb_build_object(
            'max_net_notional_ratio', max_net_notional_ratio::text,
            'share_below_minimum', share_below_minimum::text,
            'share_above_minimum', share_above_minimum::text
        )
        """
    )
    op.execute("ALTER TABLE funds ALTER COLUMN policy SET NOT NULL")
    for name in OLD:
        op.execute(f"ALTER TABLE funds DROP COLUMN {name}")


def downgrade() -> None:
    """Possible while no policy says anything else."""
    for name in OLD:
        op.execute(f"ALTER TABLE funds ADD COLUMN {name} NUMERIC")
    op.execute(
        """
        UPDATE funds SET
            max_net_notional_ratio = (policy ->> 'max_net_notional_ratio')::numeric,
            share_below_minimum = (policy ->> 'share_below_minimum')::numeric,
            share_above_minimum = (policy ->> 'share_above_minimum')::numeric
        """
    )
    for name in OLD:
        op.execute(f"ALTER TABLE funds ALTER COLUMN {name} SET NOT NULL")
    op.execute(
        "ALTER TABLE funds DROP COLUMN policy,"
        " ADD CONSTRAINT funds_max_net_notional_ratio CHECK (max_net_notional_ratio >= 0),"
        " ADD CONSTRAINT funds_share_below_minimum CHECK (share_below_minimum BETWEEN 0 AND 1),"
        " ADD CONSTRAINT funds_share_above_minimum CHECK (share_above_minimum BETWEEN 0 AND 1)"
    )
