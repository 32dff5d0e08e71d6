"""What a file is, by its content; and which files nobody should send by mail.

Pure. The name is only believed where the content does not speak against it.
"""

import mimetypes

import puremagic

from webapp.core.file_names import sniff

UNKNOWN_TYPE = "application/octet-stream"
START = 8192
#: First octets of what a machine runs: Windows, Linux, macOS, Java, Android.
PROGRAMS = (
    b"MZ",
    b"\x7fELF",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"dex\n",
)
_LISTED = (
    "ade adp apk appx appxbundle bat cab chm cmd com cpl diagcab diagcfg diagpkg dll "
    "dmg ex ex_ exe hta img ins iso isp jar jnlp js jse lib lnk mde mjs msc msi msix "
    "msixbundle msp mst nsh pif ps1 scr sct shb sys vb vbe vbs vhd vxd wsc wsf wsh xll"
)
#: Extensions that large receivers refuse, whatever is inside.
PROGRAM_EXTENSIONS = frozenset(_LISTED.split())
#: The standard library's own table: that of the machine differs between machines.
_NAMES = mimetypes.MimeTypes()


def is_program(name: str, content: bytes) -> bool:
    r"""Whether a file is something to run, by its content or its last extension.

    >>> is_program("plan.pdf", b"MZ\x90"), is_program("run.EXE. ", b"x")
    (True, True)
    >>> is_program("plan.exe.pdf", b"%PDF-1.7")
    False
    """
    extension = name.rstrip(". ").rpartition(".")[2].lower()
    return extension in PROGRAM_EXTENSIONS or content.startswith(PROGRAMS)


def type_of(name: str, content: bytes) -> str:
    r"""Return the media type of a file, as a mail names it (RFC 2045).

    >>> type_of("photo.csv", b"\x89PNG\r\n\x1a\n")
    'image/png'
    >>> type_of("people.csv", b"name\nZo\xc3\xab\n"), type_of("x.png", b"\x00\x01")
    ('text/csv; charset=utf-8', 'application/octet-stream')
    """
    claimed = _NAMES.guess_type(name)[0] or ""
    seen = _seen(content)
    if not seen:
        found = _of_text(claimed, content)
    else:
        found = claimed if claimed in seen else seen[0]
    # RFC 2046 5.2.1 forbids base64 inside of message/*; no file is multipart/*.
    return UNKNOWN_TYPE if found.startswith(("message/", "multipart/")) else found


def _seen(content: bytes) -> list[str]:
    """Return the types that the first octets show, the likeliest first."""
    start = content[:START]
    first = sniff(start)
    try:
        found = [one.mime_type for one in puremagic.magic_string(start)]
    except (puremagic.PureError, ValueError):
        found = []
    return [one for one in (first, *found) if "/" in one]


def _of_text(claimed: str, content: bytes) -> str:
    """Return the type of what shows none: text, or nothing that anybody knows."""
    try:
        is_text = b"\0" not in content and bool(content.decode())
    except UnicodeDecodeError:
        is_text = False
    if not is_text:
        return UNKNOWN_TYPE
    if claimed in {"application/json", "application/xml"}:
        return claimed
    kind = claimed if claimed.startswith("text/") else "text/plain"
    return f"{kind}; charset=utf-8"
