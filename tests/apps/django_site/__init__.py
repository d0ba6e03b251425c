"""A small Django project with the admin; `SITE_FOLDER` holds its database."""
