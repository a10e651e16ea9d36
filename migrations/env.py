"""What alembic runs: the migrations, on the connection that `app.store.database` hands over."""

from alembic import context
from sqlalchemy import text

LOCK = int.from_bytes(b"migrate")

connection = context.config.attributes["connection"]
context.configure(connection=connection)
with context.begin_transaction():
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    context.run_migrations()
