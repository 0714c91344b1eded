"""A Docker engine, a registry and an ECR API on loopback, for a first try and for the tests."""
