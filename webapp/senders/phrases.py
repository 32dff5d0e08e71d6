"""The words with which servers refuse, in replies and in the bounces of other servers.

Each line is an expression; any of them says it. Their own wording changes with every
release, so these are the parts that stay. Pure.
"""

import re


def any_of(lines: str, *, before: str = "") -> re.Pattern[str]:
    r"""Return the expression that one of these lines stands somewhere.

    Parameters
    ----------
    before
        What comes in front of each of them.

    Examples
    --------
    >>> bool(any_of("mailbox full\nover quota").search("452 Mailbox full"))
    True
    """
    found = "|".join(line.strip() for line in lines.strip().splitlines())
    return re.compile(f"{before}(?:{found})", re.IGNORECASE)


#: That there is no such address, or no more.
NO_SUCH_ADDRESS = any_of(
    r"""
    user unknown
    unknown (?:user|recipient|local|address|mailbox)
    no such (?:user|mailbox|address|recipient|person|account)
    (?:user|recipient|mailbox|account|address)(?: \S{1,80})? not (?:be )?found
    (?:user|recipient|mailbox|account|address)(?: \S{1,80})? (?:is|was) not known
    (?:user|recipient|mailbox|account|address)(?: \S{1,80})? (?:does|do|did) not exist
    does ?n[o']t exist
    doesn't have an? \S{1,60} account
    recipientnotfound
    not an? (?:valid|known|active) (?:mailbox|address|recipient|user)
    bad[ _](?:recipient|mailbox)\b
    name or service not known
    no longer (?:available|valid|in use|active)
    mailbox (?:is )?(?:disabled|unavailable|not available)
    account (?:is |has been |was )?(?:disabled|closed|inactive|deleted)
    invalid (?:recipient|mailbox|user)
    no (?:such )?mailbox (?:here|found)
    unrouteable address
    not listed in
    as\(201806281\)
    host (?:or domain name )?(?:unknown|not found)
    domain (?:does not exist|not found)
    address(?:es)? (?:could not be|couldn't be|wasn't) found
    nxdomain
    s2017062302
    account (?:closed|that you tried to reach do)
    """
)


#: That a mailbox is full.
FULL = any_of(
    r"""
    quota
    mailbox (?:is )?full
    inbox is full
    over ?quota
    insufficient (?:system |disk )?(?:storage|space)
    exceeded (?:its|their|the|storage)
    mailbox (?:size |storage )?(?:limit )?exceed
    mail ?box space
    (?:too many|zu ?viele) (?:e-?mails?|messages) (?:on|in|auf|im)\b
    storage (?:limit|allocation)
    out of (?:storage|space)
    """
)


#: That a message is too large, whatever the code says of the address.
TOO_LARGE = any_of(
    r"""
    message (?:is )?too (?:large|big|long)
    message (?:file )?size exceed
    message exceeds
    max(?:imum)? (?:allowed )?message size
    message size (?:limit|too)
    """
)


#: That it was given up for want of time.
LATER = any_of(
    r"""
    timed? ?out
    timeout
    expired
    retry time
    too long in
    still being retried
    connection (?:refused|reset|lost)
    temporar
    try again
    unreachable
    greylist
    rate limit
    too many
    """
)
