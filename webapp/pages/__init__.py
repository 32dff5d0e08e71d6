"""Pages across features: dashboard, set-up, help, errors."""
