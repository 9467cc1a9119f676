"""Token counts, audited by relations."""
