"""Every page's address. Each view file lists its own, so that a noun's pages are found in one place."""

from investigations.web.views import (
    alerts,
    audit,
    captures,
    code,
    evidence,
    fleet,
    functions,
    inbox,
    incidents,
    probes,
    redaction,
    sessions,
    signing_in,
    sources,
    tokens,
)

urlpatterns = [
    *inbox.urlpatterns,
    *alerts.urlpatterns,
    *incidents.urlpatterns,
    *sessions.urlpatterns,
    *probes.urlpatterns,
    *captures.urlpatterns,
    *code.urlpatterns,
    *evidence.urlpatterns,
    *functions.urlpatterns,
    *fleet.urlpatterns,
    *sources.urlpatterns,
    *tokens.urlpatterns,
    *redaction.urlpatterns,
    *audit.urlpatterns,
    *signing_in.urlpatterns,
]
