"""The sample application: `heeler docs/examples/flask_app.py:app`."""

import os

from flask import Flask, request

app = Flask(__name__)


@app.get("/")
def index() -> str:
    """Say hello, and who says it."""
    return f"Hello from worker {os.getpid()}.\n"


@app.get("/greet/<name>")
def greet(name: str) -> dict[str, str]:
    """Answer in JSON."""
    return {"hello": name}


@app.post("/echo")
def echo() -> bytes:
    """Send back what came."""
    return request.get_data()
