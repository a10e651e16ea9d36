"""Funds get shares of trading fees and surplus, are rebalanced, and give their excess away."""

from alembic import op

revision = "0028"
down_revision = "0027"

KINDS = (
    "'deposit', 'withdrawal', 'contribution', 'trading_fee', 'realized_profit', 'margin_in',"
    " 'margin_out', 'seed_capital', 'adjustment', 'top_up', 'liquidation_clearance_fee',"
    " 'bankruptcy_loss', 'takeover_gain', 'inventory_settlement', 'deficit_cover',"
    " 'emergency_injection', 'funding', 'funding_correction', 'inventory_funding',"
    " 'settlement_fee', 'settlement_residue', 'offload_pnl'"
)
NEW = "'trading_fee_share', 'liquidation_surplus', 'excess_deployment', 'rebalance'"


def upgrade() -> None:
    """The history's kinds are there from the beginning; these are the ledger's."""
    _transfers(f"{KINDS}, {NEW}")


def downgrade() -> None:
    """Possible while nothing was moved so."""
    _transfers(KINDS)


def _transfers(kinds: str) -> None:
    op.execute("ALTER TABLE transfers DROP CONSTRAINT transfers_kind")
    op.execute(f"ALTER TABLE transfers ADD CONSTRAINT transfers_kind CHECK (kind IN ({kinds}))")
