"""Contract testing: a server asked whatever its documents allow and forbid, and each answer judged.

    runner -> local       a server of our own, where none is named
           -> engine      cases made by schemathesis           -> documents, deviations
           -> streams     streams asked for, event by event    -> transcripts
           -> unbuilt     operations that nobody has written
           -> record      what was tried and found             -> report, junit

Nothing here is imported by the server; schemathesis is imported by `engine` alone.
"""
