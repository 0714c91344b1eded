"""What an image is made of: read, put into one value, hashed; and staged for a build.

    context (dockerignore) ─▶ entries ─────────┐
    dockerfile ─▶ base images ─────────────────┼▶ collect ─▶ fingerprint.Inputs ─▶ inputs-<fingerprint>
    jar.cache (jar.content, jar.zip) ─▶ digests┘

`staging` copies the entries to a build context of the image's own. `difference` compares the inputs of two images.
"""
