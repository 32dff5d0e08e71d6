"""The frame's document: the response that carries a stranger's HTML."""

from flask import Response, current_app

from webapp.mailboxes.sanitise import frame_policy


def framed(document: str, *, remote_images: bool) -> Response:
    """Return a document for the sandboxed frame, under its own policy."""
    response = current_app.response_class(document, mimetype="text/html")
    response.headers["Content-Security-Policy"] = frame_policy(
        remote_images=remote_images
    )
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
