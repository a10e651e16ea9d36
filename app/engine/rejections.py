"""Refusals as values (ORD-7): a stable code, a sentence, and the numbers that decided it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rejection:
    """A command that a rule refused; nothing was changed.

    `code` is stable and documented; `context` holds plain decimal strings or identifiers.
    """

    code: str
    detail: str
    context: dict[str, str] = field(default_factory=dict)


class Rejected(Exception):  # noqa: N818 - an outcome, not an error
    """Unwinds a handler that has changed nothing yet; `Engine.apply` turns it into its value."""

    def __init__(self, code: str, detail: str, **context: object) -> None:
        super().__init__(code)
        self.rejection = Rejection(
            code, detail, {key: str(value) for key, value in context.items()}
        )
