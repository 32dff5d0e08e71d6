"""Mark, hand over, record: how a message leaves exactly once."""
