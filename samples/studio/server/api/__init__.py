"""The HTTP API: what each request does, and the document that says so."""
