"""The studio's server: one shared session, a camera, an HTTP API and a WebSocket."""
