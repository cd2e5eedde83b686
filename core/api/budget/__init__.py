"""The API budget: whose turn it is, so that nobody calls more often than EcomLinx allows."""
