"""How the answers of the commands are written: pure functions from values to text, and to objects for JSON.

plan, why   what a run would do      status   what is deployed      digests   what is handed to a deployment
settings    every setting            diagram  the graph             tables    the document's two tables
words       numbers, ages and paragraphs as people write them
"""
