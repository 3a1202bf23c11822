"""Copies of the log, checked before they are trusted, and how one takes the log's place."""
