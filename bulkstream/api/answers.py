"""Successful answers, read: JSON to objects, arrays and models. What is not as documented is told in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from bulkstream.api.messages import flat
from bulkstream.api.wire import Answer, Request, decoded, unexpected

if TYPE_CHECKING:
    from bulkstream.api.document import WireT
    from bulkstream.errors import UnexpectedAnswer


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and what it answers.

    Attributes:
        url: Address without query string.
    """

    request: Request
    url: str
    answer: Answer

    @property
    def empty(self) -> bool:
        """Whether there is no body."""
        return not self.answer.body.strip()

    def document(self) -> Any:
        """Return the JSON.

        Raises:
            UnexpectedAnswer: It is none.
        """
        return decoded(self.request, self.url, self.answer)

    def fields(self) -> dict[str, Any]:
        """Return the JSON object.

        Raises:
            UnexpectedAnswer: It is something else.
        """
        document = self.document()
        if not isinstance(document, dict):
            raise self.unexpected(f"JSON that is no object, but {_named(document)}")
        return document

    def items(self, *keys: str) -> list[Any]:
        """Return the JSON array, bare or under one of `keys`.

        Raises:
            UnexpectedAnswer: It is something else.
        """
        document = self.document()
        if isinstance(document, dict):
            document = next((document[key] for key in keys if isinstance(document.get(key), list)), document)
        if not isinstance(document, list):
            raise self.unexpected(f"JSON that is no list, but {_named(document)}")
        return document

    def model(self, kind: type[WireT], **known: Any) -> WireT:
        """Read the object as a model, with what is known where the server says nothing.

        Raises:
            UnexpectedAnswer: It has another shape.
        """
        fields = self.fields()
        missing = {name: value for name, value in known.items() if fields.get(name) is None}
        return self.shaped(kind, fields | missing)

    def shaped(self, kind: type[WireT], document: Any) -> WireT:
        """Read a document out of the answer as a model.

        Raises:
            UnexpectedAnswer: It has another shape.
        """
        try:
            return kind.model_validate(document)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "all of it"
            problem = flat(f"{where}: {first['msg']}", 200)
            raise self.unexpected(f"JSON that is no {kind.__name__}: {problem}") from None

    def unexpected(self, what: str) -> UnexpectedAnswer:
        """Make the error for an answer that came with success, but holds something else."""
        return unexpected(self.request, self.url, self.answer, what)


def _named(document: Any) -> str:
    """Say what kind of JSON a document is."""
    kinds = {dict: "an object", list: "a list", str: "a string", type(None): "null", bool: "true or false"}
    return kinds.get(type(document), "a number")
