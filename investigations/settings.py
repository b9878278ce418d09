"""Settings, read from the environment; `docs/reference/settings.md` explains each one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from investigations.lib.environment import Environment

ROOT = Path(__file__).resolve().parent.parent
env = Environment()

HOME = Path(env.str("SIGHTLINE_HOME", default=str(Path.cwd() / ".sightline")))
DEBUG = env.bool("SIGHTLINE_DEBUG", default=False)
SECRET_KEY = env.str("SIGHTLINE_SECRET_KEY", default="")
if not SECRET_KEY:
    from investigations.supervise.home import secret_key

    SECRET_KEY = secret_key(HOME)
SECRET_KEY_FALLBACKS = env.list("SIGHTLINE_OLD_SECRET_KEYS", default=[])
SALT_KEY = "sightline: credentials of alert sources"  # parts this use of the secret key from its others
PUBLIC_URL = env.str("SIGHTLINE_PUBLIC_URL", default="http://127.0.0.1:8800").rstrip("/")
ALLOWED_HOSTS = env.list("SIGHTLINE_ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "channels",
    "csp",
    "django_htmx",
    "investigations.accounts",
    "investigations.catalog",
    "investigations.alerts",
    "investigations.sessions",
    "investigations.probes",
    "investigations.evidence",
    "investigations.web",
    "investigations.supervise",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "investigations.web.middleware.ProblemMiddleware",
]
ROOT_URLCONF = "investigations.urls"
ASGI_APPLICATION = "investigations.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "investigations.web.context.page",
            ],
        },
    }
]

# Storage: PostgreSQL and a Redis-compatible server, always.
DATABASES = {"default": env.database("DATABASE_URL", default="postgres:///sightline")}
DATABASES["default"]["ENGINE"] = "investigations.lib.postgresql"  # its pool survives a restart of the server
DATABASES["default"]["CONN_MAX_AGE"] = 0
DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {
    "min_size": 1,
    "max_size": env.int("SIGHTLINE_DB_POOL", default=12),
    "timeout": 10,
}
REDIS_URL = env.redis("REDIS_URL", default="redis://127.0.0.1:6379/0")
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL]},
    }
}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CAPTURE_RETENTION = timedelta(days=env.int("SIGHTLINE_CAPTURE_DAYS", default=30))

# The clock
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TIME_LIMIT = 120
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_DEFAULT_QUEUE = "sightline"

# People
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["investigations.accounts.signing_in.ThrottledBackend"]
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "inbox"
LOGOUT_REDIRECT_URL = "sign_in"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "sightline_signin"  # "session" is our word for an investigation
CSRF_COOKIE_NAME = "sightline_csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SESSION_COOKIE_SECURE else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "manifest-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}

# Pages
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
STATIC_URL = "static/"
STATIC_ROOT = HOME / "static"
STATICFILES_DIRS = [ROOT / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
if DEBUG or env.bool("SIGHTLINE_TEST", default=False):
    STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    WHITENOISE_USE_FINDERS = True
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

from investigations.lib.logs import logging_config  # noqa: E402  (needs nothing above, kept beside its use)

LOGGING_CONFIG = "investigations.lib.logs.configure"
LOGGING = logging_config(
    level=env.log_level("SIGHTLINE_LOG_LEVEL", default="INFO"),
    human=env.bool("SIGHTLINE_LOG_HUMAN", default=False),
)
