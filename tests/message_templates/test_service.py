"""What a person does with message templates, without pages."""

import pytest

from webapp.campaigns.models import Campaign
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound, Refused
from webapp.message_templates import service
from webapp.message_templates.findings import Fix
from webapp.message_templates.models import Format, MessageTemplate


def test_saving_makes_a_new_version_and_keeps_the_old(
    template: MessageTemplate,
) -> None:
    service.edit(template.id, {"subject": "New"}, version=1)
    assert template.version == 2
    assert [version.subject for version in template.versions] == [
        "New",
        "Hello {{ first_name }}",
    ]
    assert service.newest(template).html == template.versions[1].html


def test_saving_nothing_new_makes_no_version(template: MessageTemplate) -> None:
    service.edit(template.id, {"subject": "Hello {{ first_name }}"}, version=1)
    assert template.version == 1


def test_a_newer_version_is_not_overwritten(template: MessageTemplate) -> None:
    service.edit(template.id, {"subject": "Hers"}, version=1)
    with pytest.raises(Refused, match="newer version"):
        service.edit(template.id, {"subject": "Mine"}, version=1)
    db.session.rollback()
    assert service.newest(service.get(template.id)).subject == "Hers"


def test_renaming_needs_no_new_version(template: MessageTemplate) -> None:
    service.edit(template.id, {"name": " Greeting "}, version=1)
    assert (template.name, template.version) == ("Greeting", 1)


def test_a_name_is_given_once(template: MessageTemplate) -> None:
    with pytest.raises(Invalid) as caught:
        service.create(template.name, subject="x")
    assert "name" in caught.value.fields


def test_restoring_makes_an_old_version_the_newest(template: MessageTemplate) -> None:
    service.edit(template.id, {"subject": "New", "format": "html"})
    service.restore(template.id, 1)
    assert template.version == 3
    assert service.newest(template).format is Format.MARKDOWN
    with pytest.raises(NotFound):
        service.restore(template.id, 9)


def test_duplicates_have_names_of_their_own(template: MessageTemplate) -> None:
    names = [service.duplicate(template.id).name for _ in range(2)]
    assert names == ["Welcome (copy)", "Welcome (copy) 1"]
    assert (
        service.newest(service.duplicate(template.id)).html
        == service.newest(template).html
    )


def test_archived_ones_leave_the_list_and_come_back(template: MessageTemplate) -> None:
    service.archive(template.id)
    assert list(db.session.scalars(service.listing())) == []
    assert list(db.session.scalars(service.listing(archived=True))) == [template]
    service.archive(template.id, archived=False)
    assert list(db.session.scalars(service.listing("elco"))) == [template]
    assert list(db.session.scalars(service.listing("el%co"))) == []


def test_deleting_is_refused_while_a_campaign_uses_it(
    template: MessageTemplate,
) -> None:
    db.session.add(Campaign(name="Spring", message_template_id=template.id))
    db.session.commit()
    with pytest.raises(Refused, match="archive"):
        service.delete(template.id)
    assert service.get(template.id).name == "Welcome"


def test_deleting_takes_the_versions_along(template: MessageTemplate) -> None:
    service.edit(template.id, {"subject": "New"})
    service.delete(template.id)
    with pytest.raises(NotFound):
        service.get(template.id)


def test_a_fix_is_made_only_where_the_text_is_what_it_was(
    template: MessageTemplate,
) -> None:
    fix = Fix("Rename", "subject", 9, "first_name", "name")
    assert (
        service.newest(service.apply_fix(template.id, fix, 1)).subject
        == "Hello {{ name }}"
    )
    with pytest.raises(Refused):
        service.apply_fix(template.id, fix, 2)
