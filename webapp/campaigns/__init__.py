"""Recipient table x message template x sender: messages, states, counts."""
