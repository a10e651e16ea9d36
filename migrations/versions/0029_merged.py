"""Any filters of a list lead, by one index, to a page of it."""

from alembic import op

revision = "0029"
down_revision = "0028"

DROPPED = {
    "transfers_account_id_transfer_id":
        "transfers (account_id, transfer_id) WHERE account_id IS NOT NULL",
    "liquidations_symbol_liquidation_id": "liquidations (symbol, liquidation_id)",
    "liquidations_fund_id_liquidation_id": "liquidations (fund_id, liquidation_id)",
    "clearance_fees_symbol_liquidation_id": "clearance_fees (symbol, liquidation_id)",
    "fund_history_symbol_time_fund_id_sequence":
        "fund_history (symbol, time, fund_id, sequence) WHERE symbol IS NOT NULL",
    "treasury_history_symbol_time_fund_id_sequence":
        "treasury_history (symbol, time, fund_id, sequence) WHERE symbol IS NOT NULL",
}  # fmt: skip
MADE = {
    "transfers_account_id_asset_kind_transfer_id":
        "transfers (account_id, asset, kind, transfer_id) WHERE account_id IS NOT NULL",
    "liquidations_symbol_fund_id_outcome_liquidation_id":
        "liquidations (symbol, fund_id, outcome, liquidation_id)",
    "liquidations_fund_id_outcome_liquidation_id":
        "liquidations (fund_id, outcome, liquidation_id)",
    "clearance_fees_symbol_fund_id_liquidation_id":
        "clearance_fees (symbol, fund_id, liquidation_id)",
    "fund_history_asset_kind_time_fund_id_sequence":
        "fund_history (asset, kind, time, fund_id, sequence)",
    "fund_history_fund_id_asset_kind_time_sequence":
        "fund_history (fund_id, asset, kind, time, sequence)",
    "fund_history_symbol_fund_id_kind_time_sequence":
        "fund_history (symbol, fund_id, kind, time, sequence) WHERE symbol IS NOT NULL",
    "treasury_history_asset_kind_time_fund_id_sequence":
        "treasury_history (asset, kind, time, fund_id, sequence)",
    "treasury_history_fund_id_asset_kind_time_sequence":
        "treasury_history (fund_id, asset, kind, time, sequence)",
    "treasury_history_symbol_fund_id_kind_time_sequence":
        "treasury_history (symbol, fund_id, kind, time, sequence) WHERE symbol IS NOT NULL",
    "alerts_kind_alert_id": "alerts (kind, alert_id)",
    "alerts_fund_id_kind_alert_id":
        "alerts (fund_id, kind, alert_id) WHERE fund_id IS NOT NULL",
}  # fmt: skip


def upgrade() -> None:
    """New ones first."""
    _exchange(MADE, DROPPED)


def downgrade() -> None:
    """Back to an index for each filter alone."""
    _exchange(DROPPED, MADE)


def _exchange(made: dict[str, str], dropped: dict[str, str]) -> None:
    for name, what in made.items():
        op.execute(f"CREATE INDEX {name} ON {what}")
    for name in dropped:
        op.execute(f"DROP INDEX {name}")
