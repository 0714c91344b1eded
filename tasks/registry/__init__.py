"""What talks to registries: `http` (the one door), `auth`, `oci` (the distribution API) and `ecr` (the only boto3)."""
