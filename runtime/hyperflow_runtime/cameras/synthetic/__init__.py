"""A rendered desk with one thing at a time: for trying the apps, and for tests."""
