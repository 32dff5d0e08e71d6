"""What: subject and bodies with placeholders, rendered in a sandbox and previewed."""
