"""What a check has to say beyond each row's own failure: about addresses and bytes.

All addresses are looked at; of the composed messages one in each batch, and the largest
so far, since messages of one campaign differ little.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from webapp.campaigns.address_remarks import (
    is_disposable,
    is_role,
    meant_domain,
    risky_columns,
)
from webapp.campaigns.audience import Person
from webapp.composing.mime import Composed
from webapp.core.presentation import figure
from webapp.core.words import _
from webapp.message_templates.delivered import Check, Delivered, checks
from webapp.message_templates.findings import Finding, Severity

SHOWN = 3


@dataclass
class _Rows:
    """Rows about which the same is to be said."""

    count: int = 0
    first: list[dict[str, Any]] = field(default_factory=list)

    def add(self, person: Person, more: str = "") -> None:
        """Count a row."""
        self.count += 1
        if len(self.first) < SHOWN:
            shown = {"row": person.row, "recipient_id": person.id, "words": more}
            self.first.append(shown)


@dataclass
class Judge:
    """Collects remarks over all rows of a check.

    Parameters
    ----------
    untrusted
        Columns that were filled by strangers.
    largest
        Octets that the sending server takes; 0 where it did not say.
    """

    untrusted: Collection[str] = ()
    largest: int = 0
    _rows: dict[str, _Rows] = field(default_factory=dict)
    _bytes: dict[tuple[str, str], Finding] = field(default_factory=dict)
    _good: dict[str, Check] = field(default_factory=dict)
    _longest: int = 0
    _seen: int = 0

    def person(self, person: Person) -> None:
        """Look at the address and the cells of one who gets the message."""
        meant = meant_domain(person.address)
        remarks = {
            "R04": is_role(person.address),
            "R05": meant or is_disposable(person.address),
            "V04": risky_columns(person.values, self.untrusted),
        }
        for code, applies in remarks.items():
            if applies:
                more = meant or "" if code == "R05" else ""
                self._rows.setdefault(code, _Rows()).add(person, more)

    def message(self, composed: Composed, sample: bool) -> str:
        """Look at one composed message; say why it cannot be sent at all.

        Parameters
        ----------
        sample
            Whether it is looked at even though it is not larger than the others.
        """
        size = composed.octets.size
        if self.largest and size > self.largest:
            mb = {"n": f"{size / 1024**2:.1f}", "most": f"{self.largest / 1024**2:.1f}"}
            return _(
                "The message has %(n)s MB; the server takes %(most)s at most.", **mb
            )
        if sample or size > self._longest * 1.1:
            self._longest = max(size, self._longest)
            asked = Delivered(composed.data, composed.mail_from, True, self.largest)
            for check in checks(asked):
                self._good.setdefault(check.code, check)
                for found in check.found:
                    self._bytes.setdefault((found.code, found.message), found)
        return ""

    def findings(self, told: Collection[str]) -> list[dict[str, Any]]:
        """Return what was found, as a check's result keeps it.

        Parameters
        ----------
        told
            Codes that the linter has for the message template already.
        """
        same = {"M06": "U01", "M09": "A01", "G01": "G01"}
        found = [
            {**shown(one), "rows": []}
            for one in self._bytes.values()
            if same.get(one.code, "") not in told
        ]
        return [*found, *self._about_rows()]

    def passed(self) -> list[str]:
        """Return in words what was looked at and is good."""
        bad = {found.code for found in self._bytes.values()}
        if bad & {"G01", "G06"}:
            bad.add("M07")
        return [one.words for code, one in self._good.items() if code not in bad]

    def _about_rows(self) -> list[dict[str, Any]]:
        said = {
            "R04": (
                Severity.INFO,
                _("Addresses of a function, not of a person: %(n)s"),
            ),
            "R05": (
                Severity.WARNING,
                _("Addresses at a domain that is mistyped or short-lived: %(n)s"),
            ),
            "V04": (
                Severity.WARNING,
                _("Rows with a link or markup in a column that strangers fill: %(n)s"),
            ),
        }
        found = []
        for code, rows in self._rows.items():
            severity, words = said[code]
            meant = [one["words"] for one in rows.first if one["words"]]
            message = words.replace("%(n)s", figure(rows.count))
            if meant:
                message += _("; did you mean %(meant)s?", meant=meant[0])
            one = shown(Finding(code, severity, message))
            found.append({**one, "rows": rows.first})
        return found


def shown(found: Finding) -> dict[str, Any]:
    """Return a finding as a check's result keeps it, without its change."""
    return {
        "code": found.code,
        "severity": found.severity.value,
        "message": found.message,
        "part": found.part,
        "line": found.line,
    }
