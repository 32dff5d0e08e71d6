"""SECURITY 25: a file is refused by its content and its size, before it does harm."""

import io
import tracemalloc
import zipfile
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.conftest import ApiClient, PageClient
from webapp.core import blobs
from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.recipients import csv_files, import_service, service
from webapp.recipients.csv_detect import Inspector
from webapp.recipients.csv_files import FileProblem, Layout, read_rows

PLAIN = Layout("utf-8", ",", has_header=True)


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 1_000_000)
    return out.getvalue()


def refused(content: bytes) -> str:
    inspector = Inspector()
    try:
        inspector.feed(content)
        for _row in read_rows(io.BytesIO(content), inspector.layout()):
            pass
    except FileProblem as problem:
        return str(problem)
    return pytest.fail("nobody refused it")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x89PNG\r\n\x1a\n" + b"a,b\n" * 50, "PNG"),
        (b"%PDF-1.7\na,b\n", "PDF"),
        (zipped(), "zip"),
        (b"\x1f\x8b\x08" + b"a,b\n" * 50, "compressed"),
        (b"a,b\n1,2\n" + bytes(range(32)) * 40, "not a text file"),
        (b"", "empty"),
        (b"\n\n  \n", "empty"),
        (b"a," * 300 + b"\n" + b"1," * 300 + b"\n1\n", "no text"),
    ],
)
def test_what_is_no_table_of_text_is_refused(content: bytes, words: str) -> None:
    if words == "no text":
        content = content.replace(b",\n", b",x\n")
        words = "200 are the most"
    assert words in refused(content)


def test_a_cell_that_never_ends_is_refused_early() -> None:
    content = b'a,b\n"' + b"x" * 3_000_000
    assert "quotation mark" in refused(content) or "longer" in refused(content)


def test_a_line_that_never_ends_is_refused_after_little() -> None:
    file = io.BytesIO(b"a,b\n" + b"x," * 20_000_000)
    with pytest.raises(FileProblem, match="A line is longer"):
        list(read_rows(file, PLAIN))
    assert file.tell() < 4_000_000


def test_more_than_two_million_rows_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(csv_files, "MOST_ROWS", 3)
    rows = b"a\n" + b"1\n" * 4
    assert "more than" in refused(rows)
    assert len(list(read_rows(io.BytesIO(rows[:-2]), PLAIN))) == 3


def test_a_large_picture_is_refused_before_it_is_stored(app: Flask) -> None:
    del app
    table = service.create("Members", [])
    picture = io.BytesIO(b"\x89PNG\r\n\x1a\n" + bytes(2_000_000))
    with pytest.raises(Invalid):
        import_service.upload(table.id, picture, "members.csv", {})
    assert db.session.scalar(sa.select(sa.func.count(blobs.Blob.sha256))) == 0


class Endless(io.RawIOBase):
    """A file of many rows that is never whole in memory."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows, self.rest = rows, b""

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return offset + whence

    def readinto(self, target: bytearray | memoryview) -> int:  # type: ignore[override]  # any writable buffer
        if self.rows > 0 and not self.rest:
            self.rest = b"ada@example.org,Ada Lovelace,London\n" * 1000
            self.rows -= 1000
        piece, self.rest = self.rest[: len(target)], self.rest[len(target) :]
        target[: len(piece)] = piece
        return len(piece)


def test_memory_does_not_grow_with_the_file() -> None:
    def peak(rows: Iterator[object]) -> int:
        tracemalloc.start()
        for _row in rows:
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    small = peak(read_rows(Endless(2_000), PLAIN))
    large = peak(read_rows(Endless(100_000), PLAIN))
    assert large < small * 1.5


def test_a_long_cell_is_a_bad_row_and_the_rest_gets_in(app: Flask) -> None:
    del app
    table = service.create("Members", [])
    content = b"email,note\na@example.org,x\nb@example.org," + b"y" * 40_000 + b"\n"
    found = import_service.upload(table.id, io.BytesIO(content), "a.csv", {})
    assert found.mapping["0"]["kind"] == "email"


def test_the_upload_refuses_by_content_not_by_name(
    api: ApiClient, client: PageClient
) -> None:
    table_id = api.post("/recipient-tables", {"name": "M"}).get_json()["id"]
    png = b"\x89PNG\r\n\x1a\n" + bytes(1000)
    answer = api.post(
        f"/recipient-tables/{table_id}/imports",
        data={"file": (io.BytesIO(png), "members.csv", "text/csv")},
    )
    assert answer.status_code == 422
    assert "PNG" in answer.get_json()["fields"]["file"][0]
    file = (io.BytesIO(png), "members.csv")
    page = client.submit(f"/recipient-tables/{table_id}/import", {"file": file})
    assert page.status_code == 422
    assert "PNG" in page.text


def test_only_imports_take_large_bodies(api: ApiClient, anonymous: PageClient) -> None:
    table_id = api.post("/recipient-tables", {"name": "M"}).get_json()["id"]
    large = b"email\n" + b"a@example.org\n" * 300_000
    # Not the test client's own encoder, which leaves a file open for a large body.
    head = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="m.csv"\r\n\r\n'
    )
    body = {"data": head + large + b"\r\n--x--\r\n"}
    kind = {"content_type": "multipart/form-data; boundary=x"}
    answer = api.post(f"/recipient-tables/{table_id}/imports", **body, **kind)
    assert answer.status_code == 202
    other = api.post("/recipient-tables", data=large, content_type="application/json")
    assert other.status_code in {413, 422}
    path = f"/recipient-tables/{table_id}/import"
    stranger = anonymous.post(path, **body, **kind)
    assert stranger.status_code == 413
