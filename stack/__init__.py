"""`make stack`: deploy what `make deploy` deploys onto an AWS emulator, and call it in every way.

`emulator` runs in an environment of its own (`tools/stack.txt`) and has a module for each thing
that AWS has and the emulator has not. `account` is an AWS account there; `scenario` is what is
asked of the deployed broker, a module a subject; `table` is what is shown at the end.
docs/the-stack.md says what all this shows, and what it does not.
"""
