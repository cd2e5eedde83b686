"""The twelve documented calls over HTTP, with the documented refusals."""
