"""An order that was amended may have another place at its price than its number's (ORD-15)."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """No order was amended yet."""
    op.execute("ALTER TABLE orders ADD COLUMN requeued BIGINT")


def downgrade() -> None:
    """Their numbers decide again."""
    op.execute("ALTER TABLE orders DROP COLUMN requeued")
