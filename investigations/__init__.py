"""The dashboard: the Django project of investigation sessions, and the home of its apps."""

__version__ = "0.1.0"
