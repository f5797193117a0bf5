"""Backup and restore: the database, the media files that it refers to, and the secret of the deployment."""
