"""Storage: run directories, caches, hashes, text ids, SQLite, seeds."""
