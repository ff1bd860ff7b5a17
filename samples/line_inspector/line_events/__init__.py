"""What the inspector tells: events, their JSON Schema, and a line for people."""
