"""Alembic's environment and migrations of the catalog; run by `catalog.Catalog` whenever it is opened."""
