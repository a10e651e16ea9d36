"""What price paths cost the funds: scopes alone, cross accounts, all of them (CAL-2 to CAL-6)."""
