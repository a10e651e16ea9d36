"""Groups of orders of which the first decides the rest (TRG-2)."""

from alembic import op

revision = "0020"
down_revision = "0019"

STATEMENTS = (
    "ALTER TABLE triggered_orders ADD COLUMN group_id BIGINT",
    "ALTER TABLE triggered_orders ADD COLUMN dormant BOOLEAN NOT NULL DEFAULT false",
    """
    CREATE TABLE order_groups (
        group_id BIGINT NOT NULL,
        kind TEXT NOT NULL,
        account_id TEXT NOT NULL,
        leader BIGINT,
        orders BIGINT NOT NULL,
        CONSTRAINT order_groups_pkey PRIMARY KEY (group_id),
        CONSTRAINT order_groups_kind CHECK (kind IN ('oco', 'bracket')),
        CONSTRAINT order_groups_orders CHECK (orders >= 2)
    )
    """,
)


def upgrade() -> None:
    """There are no groups yet."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """What is not decided yet is forgotten."""
    op.execute("DROP TABLE order_groups")
    op.execute("ALTER TABLE triggered_orders DROP COLUMN group_id, DROP COLUMN dormant")
