"""Who: sign-in, sessions, API tokens, what each may do, and the audit log."""
