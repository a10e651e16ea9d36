"""What says how a term is led is found without reading the log."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """A few rows for each leader."""
    op.execute(
        "CREATE INDEX commands_terms ON commands (sequence)"
        " WHERE kind IN ('Recover', 'ReleaseIncident', 'ReportClock')"
    )


def downgrade() -> None:
    """As before."""
    op.execute("DROP INDEX commands_terms")
