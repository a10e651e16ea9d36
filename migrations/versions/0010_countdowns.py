"""An account remembers when its open orders are cancelled (ORD-14)."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Nobody has asked for it yet."""
    op.execute("ALTER TABLE accounts ADD COLUMN cancel_at TIMESTAMP WITH TIME ZONE")


def downgrade() -> None:
    """Forget when."""
    op.execute("ALTER TABLE accounts DROP COLUMN cancel_at")
