"""What the commands show: values made of what is known, and the texts and JSON of them. Pure but for the looks.

plan      what push_all would do, and why        status    what is deployed
digests   what is handed to a deployment         diagram   the graph as text, Mermaid, DOT
tables    the document's two tables              words     numbers and ages as people write them
"""
