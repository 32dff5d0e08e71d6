r"""MJML to HTML, in this process: for what people wrote, in the limited child alone.

The library writes attributes as Rust shows a string to a programmer, so a quote, a
backslash or a character that is not printed (our places among them) would come out as
``\u{fdd0}``; and it panics over some texts beyond ASCII. Such characters travel as
plain words instead, that nobody can guess.
"""

import re
import secrets

import mjml

_NONCE = f"zq{secrets.token_hex(8)}"
_WORD = re.compile(_NONCE + r"x([0-9a-f]+)z")
_SINGLE = re.compile(r"=\s*'([^'<>]*)'")
_INCLUDE = re.compile(r"<mj-include\b", re.IGNORECASE)
_POSITION = re.compile(r" in root template\b.*")


class MjmlError(ValueError):
    """A text that is no MJML; says why."""


def mjml_to_html(text: str) -> str:
    r"""Return MJML as a complete HTML document; nothing is loaded for it.

    Raises
    ------
    MjmlError
        If it cannot be read.

    Examples
    --------
    >>> body = "<mj-section><mj-column><mj-text>Hi</mj-text></mj-column></mj-section>"
    >>> ">Hi</div>" in mjml_to_html(f"<mjml><mj-body>{body}</mj-body></mjml>")
    True
    >>> mjml_to_html("<p>Hi</p>")
    Traceback (most recent call last):
        ...
    webapp.message_templates.mjml_body.MjmlError: This is not MJML: unexpected token
    """
    if _INCLUDE.search(text):
        raise MjmlError("<mj-include> is not available in a message template")
    quoted = _SINGLE.sub(_in_double_quotes, text)
    plain = "".join(map(_travelling, quoted))
    try:
        made = mjml.mjml2html(plain, fonts={})
    except ValueError as error:
        words = _POSITION.sub("", str(error))
        raise MjmlError(f"This is not MJML: {words}") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of Rust, and no Exception
            raise
        raise MjmlError("This is not MJML: it cannot be read") from error
    return _WORD.sub(lambda word: chr(int(word[1], 16)), made)


def _in_double_quotes(value: re.Match[str]) -> str:
    return '="' + value[1].replace('"', "&quot;") + '"'


def _travelling(char: str) -> str:
    """Return a character, or the word that it travels as."""
    if char == "\\" or not char.isascii():
        return f"{_NONCE}x{ord(char):x}z"
    return char
