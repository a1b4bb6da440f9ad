"""Vector stores: files that are read, cut into chunks, embedded and searched together.

`stores` are what projects make and delete, `files` what is in them, `batches` what was put in together; `searching`
finds chunks, and `indexing` and `clearing` are the jobs behind all of it.
"""
