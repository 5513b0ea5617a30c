"""What tools/tidy checks; each module is one field of rules."""
