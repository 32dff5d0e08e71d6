"""Mails tied to the messages that they answer, worked through by a person."""
