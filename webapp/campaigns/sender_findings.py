"""What the check says about the sender: is its domain in order, and where replies go.

Informative: nothing here blocks a launch. What DNS said is what was kept when somebody
asked it last; the check itself asks nobody.
"""

from typing import Any

from webapp.core.words import _
from webapp.senders import asking_dns, domain_findings, keys
from webapp.senders.models import Sender, TransportKind

CODE = "D01"
NOT_READ = frozenset({"noreply", "donotreply", "neveranswer"})


def of_sender(sender: Sender, reply_to: str) -> list[dict[str, Any]]:
    """Return the findings about a sender; of a practice server only its replies."""
    words = []
    if is_not_read(sender.from_address) and not reply_to:
        words.append(
            _(
                "The From address %(address)s says that nobody reads replies, and "
                "there is no Reply-To. People do reply: name an address that is read.",
                address=sender.from_address,
            )
        )
    if sender.kind is TransportKind.SMTP:
        words += _of_domain(sender)
    return [{"code": CODE, "severity": "info", "message": one} for one in words]


def is_not_read(address: str) -> bool:
    """Whether an address says of itself that nobody reads it.

    Examples
    --------
    >>> is_not_read("No-Reply@example.org"), is_not_read("replies@example.org")
    (True, False)
    """
    local = address.partition("@")[0].lower()
    return "".join(char for char in local if char.isalpha()) in NOT_READ


def _of_domain(sender: Sender) -> list[str]:
    found = asking_dns.findings_of(sender)
    words = [one["words"] for one in found if one["severity"] == "warning"]
    if not found and not asking_dns.signs(sender):
        words.append(domain_findings.no_key(keys.domain_of(sender)).words)
    return words
