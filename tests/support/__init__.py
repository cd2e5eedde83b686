"""What the tests need: real servers, real processes, and words for what they send."""
