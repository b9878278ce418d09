"""Bearer tokens over MCP: the SDK checks the header, we say whom the token stands for."""

from __future__ import annotations

from channels.db import database_sync_to_async
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken, TokenVerifier

from investigations.accounts import services as accounts
from investigations.accounts.actors import Actor
from investigations.lib.errors import Unauthorized


class BearerVerifier(TokenVerifier):
    """Accepts agents' and programs' access tokens; the SDK answers 401 with the resource's metadata otherwise."""

    async def verify_token(self, token: str) -> AccessToken | None:
        try:
            actor = await database_sync_to_async(accounts.authenticate_bearer)(token)
        except Unauthorized:
            return None
        assert actor.token is not None
        assert actor.user is not None
        return VerifiedToken(
            token=actor.token.public_id,  # the secret itself is not carried any further
            client_id=actor.token.public_id,
            scopes=list(actor.token.scopes),
            subject=str(actor.user.pk),
            actor=actor,
        )


class VerifiedToken(AccessToken):
    """The SDK's token, with the actor it stands for."""

    model_config = {"arbitrary_types_allowed": True}
    actor: Actor


def current_actor() -> Actor:
    """Whose call this is. Every tool runs behind the verifier, so there always is one."""
    token = get_access_token()
    if not isinstance(token, VerifiedToken):
        raise Unauthorized("token_required", "This needs an access token.", fix="Send it as a Bearer token.")
    return token.actor
