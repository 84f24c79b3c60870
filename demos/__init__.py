"""The tour of this project, one short file a subject: ``python -m demos``."""
