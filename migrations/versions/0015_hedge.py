"""Hedge mode: whose leg a trade changed, and what a liquidation netted (ORD-3, LIQ-2)."""

from alembic import op

revision = "0015"
down_revision = "0014"

SIDES = "('both', 'long', 'short')"
PARTS = (
    "filled_quantity >= 0 AND taken_over_quantity >= 0 AND deleveraged_quantity >= 0",
    "filled_quantity + taken_over_quantity + deleveraged_quantity",
)


def upgrade() -> None:
    """All accounts were in one-way mode until now."""
    for role in ("taker", "maker"):
        column = f"{role}_position_side"
        op.execute(f"ALTER TABLE trades ADD COLUMN {column} TEXT DEFAULT 'both' NOT NULL")
        op.execute(f"ALTER TABLE trades ADD CONSTRAINT trades_{column} CHECK ({column} IN {SIDES})")
    op.execute("ALTER TABLE liquidations ADD COLUMN netted_quantity NUMERIC DEFAULT 0 NOT NULL")
    signs, total = PARTS
    _parts(f"{signs} AND netted_quantity >= 0 AND {total} + netted_quantity <= quantity")


def downgrade() -> None:
    """Possible while no account is in hedge mode, and none was liquidated in it."""
    signs, total = PARTS
    _parts(f"{signs} AND {total} <= quantity")
    op.execute("ALTER TABLE liquidations DROP COLUMN netted_quantity")
    op.execute(
        "ALTER TABLE trades DROP COLUMN taker_position_side, DROP COLUMN maker_position_side"
    )


def _parts(law: str) -> None:
    op.execute("ALTER TABLE liquidations DROP CONSTRAINT liquidations_parts")
    op.execute(f"ALTER TABLE liquidations ADD CONSTRAINT liquidations_parts CHECK ({law})")
