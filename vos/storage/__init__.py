"""What is kept on disk: run directories, hashes, text ids, sqlite, seeds."""
