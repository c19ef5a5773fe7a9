"""Room 1: from a file to a corpus. Readers, checks, identity, agreement, labels, duplicates, splits."""
