"""IMAP accounts, their folders and mails: browse, search, flag."""
