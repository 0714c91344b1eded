"""Docker: the engine and its buildx, the builder that builds, the commands of a build, and the credentials for them."""
