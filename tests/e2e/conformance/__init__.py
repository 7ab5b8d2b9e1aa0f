"""Authorisation as clients meet it: policies, signatures, roles. Expected results come from AWS's documentation; each
table names its source."""
