"""PostgreSQL: tables, writing, loading and the queries behind the GETs."""
