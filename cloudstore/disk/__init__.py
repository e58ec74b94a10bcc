"""How `local` keeps objects on a disk: for files what `wire` is for the network.

`layout` names things and touches single files; `tree` finds, switches and locks objects, and clears up
after crashes; `listing` walks in the order of keys; `uploads` holds multipart uploads; `files` streams
bodies and says what the system's errors mean. All of it blocks: it is called by `Call` effects.
"""
