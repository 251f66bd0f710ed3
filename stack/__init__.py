"""`make stack`: deploy the stack of `make deploy` onto an AWS emulator, and call every route.

`emulator` runs in an environment of its own (`tools/stack.txt`) and has a module for each AWS
feature that the emulator lacks. `account` is an AWS account on it; `scenario` has the checks of the
deployed broker, a module for each subject; `report` has the results.
docs/the-stack.md says what this shows, and what it does not.
"""
