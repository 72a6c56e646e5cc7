"""What leaves the machine: object store, catalog, ingest."""
