"""Bans a host after too many failed logins within a window of time."""

import contextlib
import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import log, store
from wit_world.imports.types import (
    Ban, Decision_Pass, Description, EventKind_LoginFailed, LoginCause, Reach, SettingError, Subject_Host, Verdict,
)

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "attempts": {
            "description": "Failed logins of one host that are one too many.",
            "type": "integer", "minimum": 1, "maximum": 100000, "default": 5,
        },
        "window": {
            "description": "Seconds in which they are counted, from the first one.",
            "type": "integer", "minimum": 1, "maximum": 31536000, "default": 600,
        },
        "ban": {
            "description": "Length of a ban in seconds.",
            "type": "integer", "minimum": 1, "maximum": 31536000, "default": 3600,
        },
        "message": {
            "description": "What a banned client reads; %t is the time left. At most 200 bytes.",
            "type": "string", "default": "Too many failed logins. Try again in %t.",
        },
    },
}

# Set by `configure`; the server keeps it for every decision.
settings = {}


class BanGuest(exports.BanGuest):
    def describe(self):
        return Description(
            name="failed-logins",
            version="1.0.0",
            summary="Bans a host after too many failed logins.",
            events=["login-failed"],
            facts=[],
            settings_schema=json.dumps(SCHEMA),
        )

    def configure(self, host, text):
        defaults = {name: property["default"] for name, property in SCHEMA["properties"].items()}
        given = defaults | json.loads(text)
        # A schema counts characters, the contract bytes.
        if len(given["message"].encode()) > 200:
            raise Err([SettingError("message", "is longer than 200 bytes", None, None)])
        settings.update(given)

    def evaluate(self, event):
        # A rule that said no says nothing about the password.
        if not isinstance(event.kind, EventKind_LoginFailed) or event.kind.value.cause == LoginCause.DENIED_BY_RULE:
            return verdict()
        host = event.peer.address
        try:
            failures = store.increment(f"failures/{host}", 1, settings["window"])
        except Err:
            log.write(log.Level.WARN, "a failed login was not counted: the store does not answer")
            return verdict()
        if failures < settings["attempts"]:
            return verdict()
        # Who comes back after the ban has all attempts again, unless the store fails just now.
        with contextlib.suppress(Err):
            store.delete(f"failures/{host}")
        alone = ", counted by this node alone" if event.store_degraded else ""
        user = "nobody" if event.user is None else event.user
        return verdict(Ban(
            subject=Subject_Host(host),
            seconds=settings["ban"],
            reason=f"{failures} failed logins within {settings['window']} s, the last as {user}{alone}",
            message=settings["message"],
            reach=Reach.SITE,
        ))


def verdict(*bans):
    """No opinion about the event; the bans are carried out all the same."""
    return Verdict(Decision_Pass(), delay_milliseconds=0, bans=list(bans), lifts=[], alerts=[], more=[])
