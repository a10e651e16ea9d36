"""ADL events of a contract, and of a fund, by an index each."""

from alembic import op

revision = "0035"
down_revision = "0034"

MADE = {
    "adl_events_symbol_fund_id_adl_event_id": "adl_events (symbol, fund_id, adl_event_id)",
    "adl_events_fund_id_adl_event_id": "adl_events (fund_id, adl_event_id)",
}


def upgrade() -> None:
    """Few rows: there is one for each deleveraging."""
    for name, what in MADE.items():
        op.execute(f"CREATE INDEX {name} ON {what}")


def downgrade() -> None:
    """Back to all events, or an account's."""
    for name in MADE:
        op.execute(f"DROP INDEX {name}")
