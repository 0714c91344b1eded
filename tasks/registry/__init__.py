"""What talks to registries.

model         manifests and descriptors, checked                   ┐
message       requests, responses, what their errors say           │
challenge     how a registry asks for a login                      │
origin        where a registry may send us                         ├ pure
keychain      what one logs in with, and who has it                │
ecr_answers   what ECR's API says                                  │
aws_faults    what AWS says went wrong                             │
aws_providers the ways to log in to AWS, and what may be wrong       │
aws_login     a login to AWS that cannot be used, as one error       │
proxy         the proxy that the environment names                   ┘
http          the one door to HTTP ─▶ auth  logged in ─▶ oci    the distribution API: manifests
└▶ blobs  and what they refer to
deadline      an answer that has to be there in time
single_flight one answer for all threads that ask the same thing at the same moment
aws_client    a client of boto3's that is logged in ─▶ ecr    ECR's own API: tokens, repositories
"""
