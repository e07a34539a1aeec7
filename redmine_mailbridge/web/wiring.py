"""Builds what the pages work with. Takes the parts of the room wiring: the page runs without the service too."""

from collections.abc import Callable

from pydantic import ValidationError

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings.admin import LISTEN, AdminSettings
from redmine_mailbridge.settings.load import Loaded
from redmine_mailbridge.store.admin_sessions import AdminSessions
from redmine_mailbridge.store.queries.statistics import Statistics
from redmine_mailbridge.web.authentication import Authenticator, RightsCheck
from redmine_mailbridge.web.background_jobs import BackgroundJobs
from redmine_mailbridge.web.context import AppContext
from redmine_mailbridge.web.read_messages import MessageViews
from redmine_mailbridge.web.routes import make
from redmine_mailbridge.web.server import AdminServer
from redmine_mailbridge.wiring import outgoing, sending
from redmine_mailbridge.wiring.core import core_of
from redmine_mailbridge.wiring.oauth import sign_ins
from redmine_mailbridge.wiring.store import (
    audit,
    certificates,
    health,
    log_buffer_of,
    open_store,
    outbox,
    sender_list,
    task_book,
)


def context(loaded: Loaded, reload: Callable[[], None] | None = None) -> AppContext:
    """Given loaded settings and what has the process read them again, return what the pages work with, on a store of
    their own; close it at the end.
    """
    settings = loaded.settings
    store = open_store(settings)
    core = core_of(settings, store)
    changes = audit(store)
    profiles = outgoing.profiles(settings, store.secret)
    mailer = outgoing.mailer(settings, store, core.planner, profiles, core.client, core.metadata)
    admin = settings.admin
    sessions = AdminSessions(
        store.database,
        store.clock,
        lifetime=admin.session_lifetime.total_seconds(),
        idle=admin.session_idle.total_seconds(),
    )
    door = Authenticator(settings.redmine, admin.password_hash_file, changes, key=store.secret("sign-in-key").encode())
    return AppContext(
        loaded=loaded,
        store=store,
        message_queries=core.message_queries,
        outbox=outbox(store),
        book=task_book(store),
        planner=core.planner,
        metadata=core.metadata,
        seen=MessageViews(core.planner.read),
        statistics=Statistics(store.database),
        health=health(store),
        certificates=certificates(store),
        sessions=sessions,
        audit=changes,
        senders=sender_list(store),
        log_buffer=log_buffer_of(store),
        door=door,
        rights=RightsCheck(door, sessions),
        jobs=BackgroundJobs(),
        signs=sign_ins(settings, store.database),
        send_again=outgoing.resending(store, mailer),
        limits=sending.sending_limits(settings),
        reload=reload,
    )


class Pages:
    """The pages, served: `start` returns when they can be asked for, `stop` closes what they worked with."""

    def __init__(self, loaded: Loaded, reload: Callable[[], None] | None = None, listen: str | None = None) -> None:
        admin = loaded.settings.admin
        if listen is not None:
            admin = _listening(admin, listen)
            loaded = Loaded(
                loaded.settings.model_copy(update={"admin": admin}), loaded.path, loaded.origins, loaded.warnings
            )
        self._context = context(loaded, reload)
        try:
            self.server = AdminServer(make(self._context), admin, admin.listen or LISTEN).start()
        except SettingsError:
            self._context.store.close()
            raise

    def stop(self) -> None:
        """Stop listening and close the store."""
        self.server.stop()
        self._context.store.close()


def _listening(admin: AdminSettings, listen: str) -> AdminSettings:
    """The same settings with another listener. Raise SettingsError when that is not safe."""
    try:
        return AdminSettings.model_validate(admin.model_dump(exclude_unset=True) | {"listen": listen})
    except ValidationError as error:
        lines = [f"--listen: {fault['msg'].removeprefix('Value error, ')}" for fault in error.errors()]
        raise SettingsError(*lines) from None
