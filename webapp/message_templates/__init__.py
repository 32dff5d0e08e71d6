"""What: subject and bodies with placeholders, rendered in a sandbox, previewed for a real row."""
