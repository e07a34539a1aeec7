"""Builds what the pages work with. Takes the parts of the room wiring: the page runs without the service too."""

from pydantic import ValidationError

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings.admin import LISTEN, AdminSettings
from redmine_mailbridge.settings.load import Loaded
from redmine_mailbridge.store.admin_sessions import Audit, LogRing, Sessions
from redmine_mailbridge.store.health import Health
from redmine_mailbridge.store.queries.messages import Archive
from redmine_mailbridge.store.queries.statistics import Figures
from redmine_mailbridge.tasks.receive.planner import Decider
from redmine_mailbridge.web.authentication import Door, Rights
from redmine_mailbridge.web.background_jobs import Jobs
from redmine_mailbridge.web.context import Desk
from redmine_mailbridge.web.read_messages import Seen
from redmine_mailbridge.web.routes import make
from redmine_mailbridge.web.server import AdminServer
from redmine_mailbridge.wiring import application as app
from redmine_mailbridge.wiring import outgoing
from redmine_mailbridge.wiring.oauth import sign_ins


def desk(loaded: Loaded) -> Desk:
    """Given loaded settings, return what the pages work with, on a store of their own; close it at the end."""
    settings = loaded.settings
    store = app.open_store(settings)
    audit = Audit(store.database, store.clock)
    limits = {}
    for name, box in settings.active_mailboxes.items():
        out = outgoing.sent_by(settings, box)
        if out.sends:
            limits[name] = out.most_a_day
    admin = settings.admin
    client = app.redmine_client(settings.redmine)
    directory = app.directory_of(client, settings.redmine)
    archive = Archive(store.database)
    facts = app.fact_finder(client, directory, settings.redmine)
    sessions = Sessions(
        store.database,
        store.clock,
        life=admin.session_life.total_seconds(),
        idle=admin.session_idle.total_seconds(),
    )
    door = Door(settings.redmine, admin.password_hash_file, audit, key=store.secret("sign-in-key").encode())
    decider = Decider(app.contexts(settings, store.secret), archive, facts)
    return Desk(
        loaded=loaded,
        store=store,
        archive=archive,
        decider=decider,
        seen=Seen(decider.read),
        figures=Figures(store.database),
        health=Health(store.database, store.clock),
        sessions=sessions,
        audit=audit,
        ring=LogRing(store.database),
        door=door,
        rights=Rights(door, sessions),
        jobs=Jobs(),
        signs=sign_ins(settings, store.database),
        limits=limits,
    )


class Pages:
    """The pages, served: `start` returns when they can be asked for, `stop` closes what they worked with."""

    def __init__(self, loaded: Loaded, listen: str | None = None) -> None:
        admin = loaded.settings.admin
        if listen is not None:
            admin = _listening(admin, listen)
            loaded = Loaded(
                loaded.settings.model_copy(update={"admin": admin}), loaded.path, loaded.origins, loaded.warnings
            )
        self._desk = desk(loaded)
        try:
            self.server = AdminServer(make(self._desk), admin, admin.listen or LISTEN).start()
        except SettingsError:
            self._desk.store.close()
            raise

    def stop(self) -> None:
        """Stop listening and close the store."""
        self.server.stop()
        self._desk.store.close()


def _listening(admin: AdminSettings, listen: str) -> AdminSettings:
    """The same settings with another listener. Raise SettingsError when that is not safe."""
    try:
        return AdminSettings.model_validate(admin.model_dump(exclude_unset=True) | {"listen": listen})
    except ValidationError as error:
        lines = [f"--listen: {fault['msg'].removeprefix('Value error, ')}" for fault in error.errors()]
        raise SettingsError(*lines) from None
