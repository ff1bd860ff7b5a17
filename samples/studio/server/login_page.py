"""The page that asks for the token. It works without scripts."""

from __future__ import annotations

from starlette.responses import HTMLResponse

__all__ = ["login_page"]

_PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>HyperFlow Studio: token</title>
  <link rel="icon" href="static/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="static/style/tokens.css">
  <link rel="stylesheet" href="static/style/base.css">
  <link rel="stylesheet" href="static/style/login.css">
</head>
<body>
  <main class="login">
    <h1>HyperFlow Studio</h1>
    {wrong}
    <p>This studio opens with a token. It was printed in the terminal where the studio was started,
      at the end of the address after <code>?token=</code>.</p>
    <form action="." method="get">
      <label for="token">Token</label>
      <input class="field" id="token" name="token" type="password" required autocomplete="off" autofocus>
      <button type="submit" class="button button--main">Open</button>
    </form>
  </main>
</body>
</html>
"""
_WRONG = '<p role="alert"><strong>That token is wrong.</strong> The studio gives out a new one at each start.</p>'


def login_page(*, is_wrong: bool) -> HTMLResponse:
    """Return the page, status 401.

    Args:
        is_wrong: Whether a token came, and was not the right one.
    """
    return HTMLResponse(_PAGE.replace("{wrong}", _WRONG if is_wrong else ""), 401)
