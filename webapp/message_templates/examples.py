"""Three message templates to start from, and what can be written in one."""

from webapp.message_templates.source import Source

#: What can be written beside placeholders, for the editor: code and words.
LANGUAGE = (
    ("{{ first_name|default('friend') }}", "a value, or this where the cell is empty"),
    ("{% if city %}in {{ city }}{% endif %}", "only for rows that have one"),
    ("{{ renewal_date|date('%d.%m.%Y') }}", "a date, written so"),
    ("{{ price|number(2) }}", "a number with two decimals"),
    ("{{ name|upper }} · lower · title · trim", "letters and spaces"),
    ("{{ url('/winter', host='m.example') }}", "an absolute address"),
    ("{% for n in range(3) %}{{ n }}{% endfor %}", "again and again"),
)

EXAMPLES: dict[str, tuple[str, Source]] = {
    "welcome": (
        "Welcome",
        Source(
            "markdown",
            "Welcome, {{ first_name|default('friend') }}",
            html="""\
Good morning {{ first_name|default('') }},

thank you for joining us. Here is where to begin:

- [Your account](/account)
- [What is on this month](/programme)

With kind regards,
the desk

---

[Unsubscribe with one click]({{ unsubscribe_url }})
""",
            preview_text="Two links to begin with.",
        ),
    ),
    "newsletter": (
        "Newsletter",
        Source(
            "html",
            "News for {{ first_name|default('you') }}",
            html="""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<style>
body { margin: 0; background: #f4f2ee; font: 16px/1.5 Helvetica, Arial, sans-serif; }
.sheet { max-width: 600px; margin: 0 auto; padding: 24px; background: #fff; }
h1 { font-size: 24px; line-height: 1.25; }
.button { display: inline-block; padding: 10px 18px; color: #fff; background: #0b5c63; }
.foot { font-size: 14px; color: #5b6166; }
</style>
</head>
<body>
<div class="sheet">
<h1>Good morning {{ first_name|default('') }}</h1>
<p>Three evenings are still free in the winter programme.</p>
<p><a class="button" href="/programme">See the programme</a></p>
<p class="foot"><a href="{{ unsubscribe_url }}">Unsubscribe</a></p>
</div>
</body>
</html>
""",
            preview_text="Three evenings are still free.",
        ),
    ),
    "note": (
        "Short note",
        Source(
            "text",
            "A short note",
            text="""\
Hello {{ first_name|default('') }},

this is all there is to say.

Unsubscribe: {{ unsubscribe_url }}
""",
        ),
    ),
}
