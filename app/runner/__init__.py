"""The runner: one writer around one engine. Queue, apply, commit, answer; leadership; time."""
