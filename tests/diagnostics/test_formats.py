"""One shape of a diagnostic for programs, whatever asks for it."""
from __future__ import annotations

import json

from caplex.compiler.diagnostics import formats
from caplex.compiler.diagnostics.diagnostic import Code, Diagnostic, Edit, Fix, Label, Level
from caplex.compiler.source import Source, Span

CODE = Code("CAP203", "unknown-field", Level.ERROR, "title", "why")
SOURCE = Source("desk,1.cap", "deny when\n  account.equty > 5\n")
PLACE = Span(SOURCE, 12, 25)


def found(**more) -> Diagnostic:
    return Diagnostic(CODE, "no field is named `account.equty`", PLACE, **more)


def test_the_shape_has_every_key_even_where_nothing_is_known():
    bare = formats.to_dict(Diagnostic(CODE, "m"))
    assert list(bare) == ["code", "name", "level", "message", "help", "notes", "source", "related", "fix", "page"]
    assert bare["source"] is None
    assert bare["fix"] is None
    assert bare["related"] == []


def test_places_are_counted_as_people_count():
    assert formats.to_dict(found())["source"] == {"file": "desk,1.cap", "line": 2, "column": 3, "end_line": 2, "end_column": 16}
    where = formats.to_dict(Diagnostic(CODE, "m", where="missing.cap"))["source"]
    assert where == {"file": "missing.cap", "line": None, "column": None, "end_line": None, "end_column": None}


def test_labels_notes_and_fixes_come_along():
    label = Label(Span(SOURCE, 0, 4), "the effect")
    shape = formats.to_dict(found(labels=(Label(PLACE, primary=True), label), fix=Fix("rename", True, (Edit(PLACE, "account.equity"),))))
    assert [(row["message"], row["source"]["column"]) for row in shape["related"]] == [("the effect", 1)]
    assert shape["fix"]["safe"] is True
    assert shape["fix"]["edits"][0]["text"] == "account.equity"
    assert shape["page"] == "caplex explain CAP203"


def test_the_document_names_its_schema_first_and_counts():
    document = formats.document([found(), found(level=Level.NOTE)])
    assert next(iter(document.items())) == ("schema", "caplex.lint/1")
    assert document["summary"] == {"error": 1, "warning": 0, "note": 1}
    json.dumps(document)


def test_annotations_escape_what_github_reads():
    line = formats.github([found(help="100%\nsure")])
    assert line == (
        "::error file=desk%2C1.cap,line=2,col=3,endLine=2,endColumn=16,title=CAP203 unknown-field::"
        "no field is named `account.equty`%0Ahelp: 100%25%0Asure")
