"""Tells people what the other services have found: in a Slack channel, or by e-mail."""
