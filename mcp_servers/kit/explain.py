"""Turns pydantic's findings into plain words: the argument, what came, and what is accepted."""

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

MAX_SHOWN_CHARACTERS = 60


def explain(error: ValidationError) -> str:
    """One sentence per argument that is not acceptable, without addresses or type names of the implementation."""
    seen: dict[str, list[ErrorDetails]] = {}
    for finding in error.errors(include_url=False, include_context=True):
        seen.setdefault(str(finding["loc"][0]) if finding["loc"] else "", []).append(finding)
    return " ".join(_sentence(name, findings) for name, findings in seen.items())


def _sentence(name: str, findings: list[ErrorDetails]) -> str:
    first = findings[0]
    match first["type"]:
        case "missing_argument" | "missing" | "missing_keyword_only_argument":
            return f"{name} is missing."
        case "unexpected_keyword_argument" | "extra_forbidden":
            return f"{name} is not an argument of this tool."
    accepted = " or ".join(dict.fromkeys(_accepted(finding) for finding in findings))
    return f"{name}: {_shown(first['input'])} is not acceptable; {accepted}."


def _accepted(finding: ErrorDetails) -> str:
    message = finding["msg"]
    for prefix in ("Input should be ", "Value error, ", "Assertion failed, "):
        message = message.removeprefix(prefix)
    return f"accepted: {message}" if finding["msg"].startswith("Input should be") else message[:1].lower() + message[1:]


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[:MAX_SHOWN_CHARACTERS] + "…"
