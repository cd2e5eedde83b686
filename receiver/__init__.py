"""The public HTTP edge: verify, commit, answer."""
