"""The checks of the deployed broker, a module for each subject."""
