"""The operators' door: `manage.py up` runs every part of Sightline as one supervised whole."""
