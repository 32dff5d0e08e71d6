"""Own headers of a message: a JSON object, or on pages one header in each line."""

from typing import Any

from wtforms.widgets import TextArea

from webapp.core.forms import ObjectField
from webapp.core.words import _


class HeadersField(ObjectField):
    """Header name to value; a page shows and posts lines such as ``X-Topic: books``."""

    widget = TextArea()  # type: ignore[assignment]  # its stubs know text fields alone

    def _value(self) -> str:
        if self.raw_data and self.errors:
            return str(self.raw_data[0])
        return "\n".join(
            f"{name}: {value}" for name, value in (self.data or {}).items()
        )

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read JSON, as the API gives it, or lines, as a person does.

        Raises
        ------
        ValueError
            If a line is no header, or comes twice.
        """
        text = str(valuelist[0]).strip() if valuelist else ""
        if not text or text.startswith(("{", "[", '"')):
            super().process_formdata([text] if text else [])
            return
        found: dict[str, str] = {}
        for line in text.splitlines():
            name, colon, value = line.partition(":")
            if not line.strip():
                continue
            if not colon or not name.strip():
                words = _("“%(line)s” is no header: a name, a colon, a value.")
                raise ValueError(words.replace("%(line)s", line.strip()[:60]))
            if name.strip() in found:
                words = _("The header %(name)s is given twice.", name=name.strip())
                raise ValueError(words)
            found[name.strip()] = value.strip()
        self.data = found
