"""Postroom: campaigns that go out, mailboxes that come back."""
