"""`make stack`: deploy what `make deploy` deploys onto an AWS emulator, and call it in every way.

`emulator` runs in an environment of its own (`tools/stack.txt`) and has a module for each AWS
feature that the emulator lacks. `account` is an AWS account on it; `scenario` has the calls to the
deployed broker, a module for each subject; `table` has the results.
docs/the-stack.md says what this shows, and what it does not.
"""
