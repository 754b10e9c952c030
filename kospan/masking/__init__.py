"""Masking of personal data: policy, rules, aliases, documents."""
