"""Django's settings, taken from the environment and nowhere else."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from deploy import logs, unfold
from deploy.environment import DEVELOPMENT_CHAIN, environment

_env = environment()

BASE_FOLDER = Path(__file__).resolve().parent.parent
DATA_FOLDER: Path = _env.data_folder.absolute()
SECRET_KEY = _env.secret_key
SECRET_KEY_FALLBACKS = _env.secret_key_fallbacks
DEBUG = _env.debug
PUBLIC_URL = _env.public_url or f"http://{_env.host}:{_env.port}"
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver", urlsplit(PUBLIC_URL).hostname or ""]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
ROOT_URLCONF = "deploy.urls"
WSGI_APPLICATION = "deploy.wsgi.application"
AUTH_USER_MODEL = "provenance.User"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-gb"
LANGUAGES = [("en-gb", "English"), ("zh-hans", "简体中文")]
# Ours before those of the packages that we build on.
LOCALE_PATHS = [
    BASE_FOLDER / app / "locale" for app in ("provenance", "ingest", "compensation", "deploy")
]
FORMAT_MODULE_PATH = "deploy.formats"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "rest_framework",
    "drf_spectacular",
    "django_filters",
    "django_structlog",
    "provenance",
    "ingest",
    "compensation",
    "deploy",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "deploy.headers.HeadersMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "deploy.languages.LanguageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "provenance.middleware.ViewerMiddleware",
    "deploy.viewing.ViewAsMiddleware",
    "deploy.readonly.ReadOnlyMiddleware",
    "deploy.trials.KeyForTestsMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_FOLDER / "deploy" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "deploy.readonly.read_only",
            ]
        },
    }
]


def _database(url: str, role: str) -> dict[str, Any]:
    """A Django database from a `postgresql://` URL; `host` in the query names a socket folder."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/") or "tallymark",
        "USER": unquote(parts.username or role),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.get("host") or parts.hostname or "127.0.0.1",
        "PORT": str(parts.port or query.get("port") or 5432),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }


_app_url = _env.database_url or "postgresql://tallymark_app@127.0.0.1:5432/tallymark"
_owner_url = _env.database_owner_url or re.sub(r"//[^@]*@", "//tallymark_owner@", _app_url)
DATABASES = {
    "default": _database(_app_url, "tallymark_app"),
    "owner": {**_database(_owner_url, "tallymark_owner"), "TEST": {"MIRROR": "default"}},
}
APP_DATABASE_ROLE = DATABASES["default"]["USER"]

AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/admin/"
LOGOUT_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "deploy.languages.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "Tallymark: "
# A security key or a passkey serves beside the app; the password is asked for before either.
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = str(DATA_FOLDER / "mail")
if _env.email_url:
    _mail = urlsplit(_env.email_url)
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST, EMAIL_PORT = _mail.hostname or "127.0.0.1", _mail.port or 25
    EMAIL_HOST_USER = unquote(_mail.username or "")
    EMAIL_HOST_PASSWORD = unquote(_mail.password or "")
    # smtps speaks TLS from the first byte (RFC 8314); smtp+tls asks for it (STARTTLS).
    EMAIL_USE_SSL, EMAIL_USE_TLS = _mail.scheme == "smtps", _mail.scheme == "smtp+tls"
    EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = _env.email_from

UNFOLD = unfold.UNFOLD
STATIC_URL = "/static/"
STATIC_ROOT = BASE_FOLDER / "staticfiles"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https:")
LANGUAGE_COOKIE_SECURE = SESSION_COOKIE_SECURE
# A year: whoever has no account chooses once.
LANGUAGE_COOKIE_AGE = 31_536_000
if SESSION_COOKIE_SECURE:
    # Browsers take a cookie of such a name from this host over TLS only (RFC 6265bis, 4.1.3.2).
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
    SECURE_HSTS_SECONDS = 31_536_000
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
FILE_UPLOAD_TEMP_DIR = None
DATA_UPLOAD_MAX_MEMORY_SIZE = 20 * 2**20

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "provenance.api.authentication.ApiKeyAuthentication",
        "provenance.api.authentication.ViewerSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["provenance.api.authentication.HasViewer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "provenance.api.pagination.Cursor",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_THROTTLE_CLASSES": ["provenance.api.throttling.PerKeyThrottle"],
    "DEFAULT_THROTTLE_RATES": {"key": "3000/min"},
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "provenance.api.negotiation.Negotiation",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "provenance.api.problems.handle",
    "PAGE_SIZE": 50,
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Tallymark",
    "DESCRIPTION": "A data provenance and compensation ledger.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "provenance.api.schema.add_problems",
    ],
    "ENUM_NAME_OVERRIDES": {
        "PurposeEnum": "provenance.models.Purpose",
        "VersionModeEnum": "provenance.models.DatasetVersion.Mode",
        "PlanModeEnum": "provenance.models.RatePlan.Mode",
        "DatasetKindEnum": "provenance.models.Dataset.Kind",
        "MatchKindEnum": "provenance.models.MatchKind",
        "SubmissionKindEnum": "provenance.models.Submission.Kind",
        "RestrictionKindEnum": "provenance.models.Restriction.Kind",
        "ReviewStateEnum": "provenance.models.Review.State",
        "ReviewOutcomeEnum": "provenance.models.Review.Outcome",
        "ResolutionOutcomeEnum": "provenance.models.Resolution.Outcome",
        "MoneySideEnum": "compensation.models.Side",
        "AccountKindEnum": "compensation.models.Account.Kind",
        "ChargeKindEnum": "compensation.models.Charge.Kind",
        "PayoutStateEnum": "compensation.progress.CHOICES",
        "PayoutScheduleEnum": "compensation.models.Schedule",
        "BankOrChainEnum": "compensation.models.PayoutMethod.Kind",
        "BankPayoutStateEnum": "compensation.models.BankPayout.State",
        "BankBookingStateEnum": "compensation.models.BankBooking.State",
        "BankFileKindEnum": "compensation.models.BankFile.Kind",
    },
}

CHAIN_RPC_URL = _env.chain_rpc_url
CHAIN_ID = _env.chain_id
CHAIN_CONFIRMATIONS = _env.chain_confirmations
CHAIN_FINALITY = _env.chain_finality
CHAIN_FEE_CEILING_GWEI = _env.chain_fee_ceiling_gwei
CHAIN_GAS_RESERVE = _env.chain_gas_reserve
MORE_CHAINS = {number: chain.model_dump() for number, chain in _env.more_chains.items()}
CHAIN_KEYS = _env.chain_keys
PAYOUT_DELAY_SECONDS = _env.payout_delay_seconds
PAYOUT_THRESHOLD_UNITS = _env.payout_threshold_units
PAYOUT_ACCOUNT_HOLD_HOURS = _env.payout_account_hold_hours
PAYOUT_REFUSED_ADDRESSES = frozenset(_env.payout_refused_addresses)
HOLD_BACK_DAYS = _env.hold_back_days
QUOTE_VALIDITY_DAYS = _env.quote_validity_days
DEPOSIT_ADDRESS = _env.deposit_address
PAYMENT_SECRETS = _env.payment_secrets
REQUIRE_SECOND_FACTOR = (
    CHAIN_ID != DEVELOPMENT_CHAIN
    if _env.require_second_factor is None
    else _env.require_second_factor
)
PAYMENT_TEST_EVENTS = (
    CHAIN_ID == DEVELOPMENT_CHAIN if _env.payment_test_events is None else _env.payment_test_events
)
HUB_ADDRESS = _env.hub_address.rstrip("/")
LOCAL_IMPORT_ROOTS = _env.local_import_roots
ALLOW_PRIVATE_ADDRESSES = _env.allow_private_addresses
S3_IMPORT_ROOTS = _env.s3_import_roots
S3_OPTIONS = _env.s3_options
EMBEDDING_MODEL = _env.embedding_model
INDEX_CACHE_BYTES = _env.index_cache_bytes
EMBEDDING_BUDGET = _env.embedding_budget
SCREENING_RECORDS_PER_DAY = _env.screening_records_per_day
SCREENING_REQUESTS_PER_MINUTE = _env.screening_requests_per_minute
SCREENING_FILE_RECORDS_PER_DAY = _env.screening_file_records_per_day
PERIOD_ZONE = _env.period_zone
GRANT_WAIT_DAYS = _env.grant_wait_days
RUN_SILENCE_SECONDS = _env.run_silence_seconds
SIGNALS = _env.signals
TWO_PEOPLE = _env.two_people
NODE_NAME = _env.node_name
BACKUP_MARK = _env.backup_mark
UPLOAD_LIMIT_BYTES = _env.upload_limit_bytes

# The module of the Celery application, imported by whoever sends a first hint.
TASK_APP = "deploy.celery"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
# Reading and embedding files takes minutes; sealing, billing and paying must not wait for it.
CELERY_TASK_ROUTES = {
    "ingest.tasks.advance_upload": {"queue": "ingest"},
    "ingest.tasks.embed_version": {"queue": "ingest"},
    "ingest.tasks.tend_index": {"queue": "ingest"},
    "ingest.tasks.screen_file": {"queue": "ingest"},
    "ingest.tasks.watch_screening": {"queue": "ingest"},
    # Other people's servers may be slow.
    "provenance.tasks.mail_notices": {"queue": "ingest"},
    "provenance.tasks.post_webhooks": {"queue": "ingest"},
}
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_FOLDER / "beat-schedule")
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    name: {
        "task": task,
        "schedule": timedelta(seconds=seconds),
        "options": {"expires": max(seconds * 2, 5)},
    }
    for name, task, seconds in (
        ("seal the ledger", "provenance.tasks.seal_events", 1),
        ("anchor events", "provenance.tasks.anchor_events", 5),
        ("send the outbox", "provenance.tasks.send_outbox", 2),
        ("look at the chain", "provenance.tasks.look_at_chain", 30),
        ("delete old tests", "compensation.tasks.delete_old_tests", 3600),
        ("lapse silent runs", "provenance.tasks.lapse_runs", 60),
        ("countersign receipts", "provenance.tasks.countersign_receipts", 5),
        ("look at reports", "provenance.tasks.look_at_reports", 300),
        ("cover uses", "provenance.tasks.cover_uses", 120),
        ("look at reports again", "provenance.tasks.look_at_reports_again", 3600),
        ("pass deadlines", "provenance.tasks.pass_deadlines", 60),
        ("act on policies", "compensation.tasks.act_on_policies", 60),
        ("answer in bulk", "provenance.tasks.answer_in_bulk", 1),
        ("mail notices", "provenance.tasks.mail_notices", 10),
        ("post to webhooks", "provenance.tasks.post_webhooks", 10),
        ("remind of deadlines", "provenance.tasks.remind_of_deadlines", 300),
        ("forget old answers", "provenance.tasks.forget_answers", 3600),
        ("sweep uploads", "ingest.tasks.sweep_uploads", 10),
        ("sweep embeddings", "ingest.tasks.sweep_embeddings", 30),
        ("sweep what was erased", "ingest.tasks.sweep_erased", 600),
        ("tend the index", "ingest.tasks.tend_index", 5),
        ("sweep screenings", "ingest.tasks.sweep_screenings", 10),
        ("sweep reports", "ingest.tasks.sweep_reports", 60),
        ("bill usages", "compensation.tasks.bill_usages", 5),
        ("bill what was overlooked", "compensation.tasks.bill_everything", 3600),
        ("settle pools", "compensation.tasks.settle_pools", 600),
        ("apply resolutions", "compensation.tasks.apply_resolutions", 5),
        ("expire holds", "compensation.tasks.expire_holds", 10),
        ("add up turnovers", "compensation.tasks.add_turnovers", 30),
        ("watch deposits", "compensation.tasks.watch_deposits", 5),
        ("work in payments", "compensation.tasks.apply_payments", 30),
        ("add up spending", "compensation.tasks.add_up_spending", 10),
        ("tell what matured", "compensation.tasks.tell_matured", 3600),
        ("mature credits", "compensation.tasks.mature_credits", 10),
        ("advance payouts", "compensation.tasks.advance_payouts", 3),
        ("build payout epochs", "compensation.tasks.build_epochs", 10),
        ("issue invoices", "compensation.tasks.issue_invoices", 3600),
        ("hold the journal against the world", "compensation.tasks.reconcile", 3600),
    )
}

LOGGING = logs.configure()
