"""What makes the sandbox answer as Amazon ECR does: a process in front of its registry and of moto's server.

    docker, BuildKit, our client ─▶ registry port ─▶ ECR's rules ─▶ registry 2.8, on a socket of its own
    boto3, the AWS CLI ───────────▶ API port ──────▶ images ──────▶ the registry's disk
                                                     the rest ────▶ moto, on a socket of its own

The rules ask moto for a repository's settings and the registry's disk for what is in it.
"""
