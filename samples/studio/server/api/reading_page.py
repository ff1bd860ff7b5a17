"""The API for people: one page, made from the OpenAPI document, that loads nothing from elsewhere."""

from __future__ import annotations

import json
from html import escape
from typing import Any

__all__ = ["reading_page"]

_HEAD = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>HyperFlow Studio: API</title>
  <link rel="icon" href="static/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="static/style/tokens.css">
  <link rel="stylesheet" href="static/style/base.css">
  <link rel="stylesheet" href="static/style/reading.css">
</head>
<body>
<main class="reading">
"""
_EXAMPLE = """curl -H 'X-HyperFlow-Studio: 1' -d '{"name": "mug"}' http://127.0.0.1:8040/api/classes
curl -H 'X-HyperFlow-Studio: 1' -X POST http://127.0.0.1:8040/api/classes/c1/capture
curl http://127.0.0.1:8040/api/state"""


def reading_page(document: dict[str, Any]) -> str:
    """Return the page as HTML."""
    info = document["info"]
    parts = [
        _HEAD,
        f"<h1>{escape(info['title'])}: API</h1>\n<p>{escape(info['description'])}</p>\n",
        '<p>For programs: <a href="openapi.json">openapi.json</a>. <a href=".">Back to the studio</a>.</p>\n',
        f"<pre><code>{escape(_EXAMPLE)}</code></pre>\n<h2>Operations</h2>\n",
    ]
    for path, methods in document["paths"].items():
        parts += [_operation(path, method, described) for method, described in methods.items()]
    parts.append("<h2>Types</h2>\n")
    parts += [_schema(name, schema) for name, schema in document["components"]["schemas"].items()]
    return "".join(parts) + "</main>\n</body>\n</html>\n"


def _operation(path: str, method: str, described: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><th scope='row'>{status}</th><td>{escape(response['description'])}</td>"
        f"<td>{escape(_content(response))}</td></tr>\n"
        for status, response in described["responses"].items()
    )
    body = _content(described.get("requestBody", {}))
    takes = f"<p>Takes {escape(body)}.</p>\n" if body else ""
    return (
        f"<section>\n<h3><code>{method.upper()} {escape(path)}</code></h3>\n<p>{escape(described['summary'])}</p>\n"
        f"{takes}<table>\n{rows}</table>\n</section>\n"
    )


def _content(part: dict[str, Any]) -> str:
    """Name what a body or an answer holds: a type, or media types."""
    names = []
    for media, content in part.get("content", {}).items():
        if media == "application/problem+json":
            continue
        schema = content["schema"]
        reference = schema.get("$ref") or schema.get("items", {}).get("$ref")
        several = "list of " if "items" in schema else ""
        names.append(several + reference.rpartition("/")[2] if reference else media)
    return ", ".join(names)


def _schema(name: str, schema: dict[str, Any]) -> str:
    text = json.dumps(schema.get("properties", {}), indent=2, ensure_ascii=False)
    about = escape(schema.get("description", ""))
    return (
        f"<section>\n<h3 id='{escape(name)}'><code>{escape(name)}</code></h3>\n<pre>{about}</pre>\n"
        f"<details><summary>Schema</summary><pre><code>{escape(text)}</code></pre></details>\n</section>\n"
    )
