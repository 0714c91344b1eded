"""The registry: what it holds, and how it is read, written and logged in to.

    target       the registry of a run: its host, its backend, its client, the names of repositories
    ├▶ backend   what differs between kinds of registry, as a protocol; `kinds` has a row for each kind
    │  ├▶ ecr    ─▶ aws_client   boto3, logged in; the only module with boto3
    │  └▶ plain
    └▶ client    the distribution API: manifests and blobs
       └▶ auth   logged-in requests ─▶ http   the only module with urllib3

    images       what a registry holds: tags, and the manifests, configs and layers of an image
    proof        whether that is what an image must be
    record       what an image was made of, kept beside it

Pure: kinds, model (manifests), message (requests, where they may go, responses, their errors), credentials (logins,
challenges, tokens), ecr_answers, aws_faults, aws_login (why a login to AWS cannot be used).
"""
