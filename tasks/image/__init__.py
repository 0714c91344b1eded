"""What an image is made of: read, put into one value, hashed; and staged for a build.

    context (dockerignore) ─▶ entries ─┐
    dockerfile ─▶ base images ─────────┼▶ collect ─▶ fingerprint.Inputs ─▶ inputs-<fingerprint>
    digests (jar, archive) ─▶ meaning ─┘                └▶ staging: a context of the image's own

`hashing`, `inflated`, `sealed` and `source` make digests quick and their cache safe.
"""
