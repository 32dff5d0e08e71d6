"""The embedded SMTP and IMAP servers and the example data of the first minute."""
