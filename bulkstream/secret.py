"""A secret as a value that can't be printed.

Whoever needs the text asks for it by `reveal`, where it is used and as late as possible, so that no frame, container
or log holds it in the meantime. pydantic's SecretStr hides its value from `str` and `repr` as well, but not from
pickle or `vars`, and it compares as plain text.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any, Final, NoReturn, final

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

MASK: Final = "***"
"""What is shown in a secret's place, whatever its length."""


@final
class Secret:
    """A text that only `reveal` gives out.

    Copying gives the same object, and pickling is refused: where a secret goes is said by name, or it doesn't go.
    """

    __slots__ = ("_text",)

    _text: str

    def __init__(self, text: str) -> None:
        object.__setattr__(self, "_text", text)

    def reveal(self) -> str:
        """Return the text, to be handed on at once and kept nowhere."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        """Compare in a time that does not depend on where two secrets differ."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self._text), _bytes(other._text))

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a secret does not change")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, _: dict[int, Any]) -> Secret:
        return self

    def __reduce_ex__(self, _: Any) -> NoReturn:
        raise TypeError("a secret is not pickled; hand on what it opens, or reveal it")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Take text or a secret, and give JSON the mask."""
        from pydantic_core import core_schema as schema  # noqa: PLC0415 - `import bulkstream` needs no pydantic

        return schema.no_info_plain_validator_function(
            _taken, serialization=schema.plain_serializer_function_ser_schema(str, when_used="json")
        )


def _taken(value: object) -> Secret:
    """Make a secret of what a setting was given; what is wrong with it is said without showing it."""
    if isinstance(value, Secret):
        return value
    if hasattr(value, "get_secret_value"):  # pydantic's own kind
        value = value.get_secret_value()
    if not isinstance(value, str):
        raise ValueError("should be text")  # noqa: TRY004 - pydantic turns a ValueError into its own
    return Secret(value)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogatepass")
