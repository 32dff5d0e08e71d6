"""The layout around a body in Markdown: one column, at home on a phone and in the dark.

What mail programs understand decides how it is written. Widths and grounds stand on
tables, each of them ``role="presentation"``, since Outlook on Windows lays out with
Word; a table of 600 pixels is shown to it alone. Styles are copied to their elements
afterwards (`webapp.message_templates.bodies.with_inlined_styles`), for programs that
drop the style element; only what cannot be copied stays in it: the dark colours, which
so have to be ``!important``, and the smaller margins of narrow screens. There is no
title: of a mail that is the subject (HTML 4.2.2).
"""

import html
from dataclasses import dataclass

#: Languages written from right to left, by primary subtag (RFC 5646 2.2.1).
_RIGHT_TO_LEFT = frozenset({"ar", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})
#: What the links below say, by primary subtag; else in English.
_WORDS = {
    "da": ("Afmeld", "Vis i browseren"),
    "de": ("Abmelden", "Im Browser ansehen"),
    "en": ("Unsubscribe", "View in browser"),
    "es": ("Darse de baja", "Ver en el navegador"),
    "fr": ("Se désabonner", "Voir dans le navigateur"),
    "it": ("Annulla l'iscrizione", "Apri nel browser"),
    "nl": ("Afmelden", "Bekijk in de browser"),
    "pl": ("Wypisz się", "Zobacz w przeglądarce"),
    "pt": ("Cancelar a subscrição", "Ver no navegador"),
    "sv": ("Avregistrera", "Visa i webbläsaren"),
}

_STYLES = """\
body { margin: 0; padding: 0; background-color: #f4f2ee; }
.ground { background-color: #f4f2ee; }
.around { padding: 24px 12px; }
.ground, .letter { width: 100%; table-layout: fixed; }
.letter { max-width: 600px; }
.sheet { padding: 32px; background-color: #ffffff; border-radius: 8px; }
.foot { padding: 20px 32px; }
.sheet, .foot { word-break: break-word; overflow-wrap: anywhere; }
.sheet, .sheet p, .sheet li, .sheet td, .sheet th, .sheet blockquote {
  color: #1d2429; text-align: start;
  font: 16px/1.6 -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
.sheet h1, .sheet h2, .sheet h3 { color: #1d2429; font-weight: bold;
  font-family: -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
.sheet h1 { margin: 0 0 16px; font-size: 26px; line-height: 1.25; }
.sheet h2 { margin: 32px 0 12px; font-size: 20px; line-height: 1.3; }
.sheet h3 { margin: 24px 0 8px; font-size: 16px; line-height: 1.4; }
.sheet p, .sheet ul, .sheet ol, .sheet pre, .sheet blockquote { margin: 0 0 16px; }
.sheet ul, .sheet ol { padding: 0 0 0 24px; }
.sheet li { margin: 0 0 6px; }
.sheet a { color: #0b5c63; text-decoration: underline; }
.sheet img { max-width: 100%; height: auto; border: 0; }
.sheet blockquote { padding: 0 0 0 16px; border-left: 3px solid #c9ced1; }
.sheet pre, .sheet code { font-family: Consolas, Menlo, monospace; font-size: 14px; }
.sheet pre { padding: 12px; background-color: #f4f2ee; white-space: pre-wrap; }
.wide { margin: 0 0 16px; overflow-x: auto; word-break: normal; overflow-wrap: normal; }
.wide table { border-collapse: collapse; }
.sheet th, .sheet td { padding: 8px 16px 8px 0; text-align: start;
  border-bottom: 1px solid #dfe3e5; vertical-align: top; }
.sheet th { font-weight: bold; }
.sheet hr { margin: 28px 0; border: 0; border-top: 1px solid #dfe3e5; }
.foot { text-align: center;
  font: 14px/1.6 -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
.foot, .foot a { color: #5b6166; }
"""

_NOT_COPIED = """\
:root { color-scheme: light dark; supported-color-schemes: light dark; }
@media (max-width: 480px) {
  .around { padding: 0 !important; }
  .sheet { padding: 24px 16px !important; border-radius: 0 !important; }
  .foot { padding: 20px 16px !important; }
}
@media (prefers-color-scheme: dark) {
  body, .ground { background-color: #14181a !important; }
  .sheet { background-color: #1d2326 !important; }
  .sheet pre { background-color: #14181a !important; }
  .sheet, .sheet p, .sheet li, .sheet td, .sheet th, .sheet blockquote,
  .sheet h1, .sheet h2, .sheet h3 { color: #e6eaec !important; }
  .sheet a { color: #7fd0d6 !important; }
  .foot, .foot a { color: #a6adb1 !important; }
  .sheet th, .sheet td, .sheet hr, .sheet blockquote {
    border-color: #444c50 !important; }
}
"""

_START = """\
<!doctype html>
<html lang="{lang}" dir="{dir}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<meta name="x-apple-disable-message-reformatting">
<meta name="format-detection" content="telephone=no, date=no, address=no, email=no">
<style>
{styles}{not_copied}</style>
</head>
<body>
<table class="ground" role="presentation" width="100%" border="0" cellpadding="0" \
cellspacing="0">
<tr><td class="around" align="center">
<!--[if mso]><table role="presentation" width="600" border="0" cellpadding="0" \
cellspacing="0"><tr><td><![endif]-->
<table class="letter" role="presentation" width="100%" border="0" cellpadding="0" \
cellspacing="0">
<tr><td class="sheet">
"""

_FOOT = """\
</td></tr>
<tr><td class="foot">
{links}
"""

_END = """\
</td></tr>
</table>
<!--[if mso]></td></tr></table><![endif]-->
</td></tr>
</table>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Foot:
    """The links below the body: addresses or their places, ready for HTML.

    An empty one is left out, as where the author wrote that link already.
    """

    unsubscribe: str = ""
    view: str = ""


def laid_out(body: str, language: str = "en", foot: Foot | None = None) -> str:
    """Return a body as a complete HTML document.

    Parameters
    ----------
    language
        A language tag (RFC 5646): how the words are read aloud, and in which direction.

    Examples
    --------
    >>> made = laid_out("<p>Hallo</p>", "de-AT", Foot(unsubscribe="https://a.example/u"))
    >>> '<html lang="de-AT" dir="ltr">' in made
    True
    >>> '<a href="https://a.example/u">Abmelden</a>' in made
    True
    """
    primary = language.partition("-")[0].lower()
    start = _START.format(
        lang=html.escape(language),
        dir="rtl" if primary in _RIGHT_TO_LEFT else "ltr",
        styles=_STYLES,
        not_copied=_NOT_COPIED,
    )
    unsubscribe, view = _WORDS.get(primary, _WORDS["en"])
    foot = foot or Foot()
    named = ((foot.unsubscribe, unsubscribe), (foot.view, view))
    links = [f'<a href="{url}">{words}</a>' for url, words in named if url]
    if links:
        body += _FOOT.format(links=" &nbsp;·&nbsp; ".join(links))
    return start + body + _END
